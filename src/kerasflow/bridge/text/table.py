"""The table of a layer that looks up, in the place of TensorFlow's `StaticHashTable`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from kerasflow.bridge.text.batch import batch
from kerasflow.bridge.text.standin import Array as Asked
from kerasflow.bridge.text.standin import array, imported
from kerasflow.bridge.versions import LAYOUT
from kerasflow.strings.flat import Array, together
from kerasflow.strings.lookup import Lookup


class Table:
    """Keys and their values.

    Args:
        keys, values: equally many, of strings or of integers.
        dtypes: of both: "string" or "int64". default: the value of what is no key.
    """

    def __init__(self, keys: Any, values: Any, dtypes: tuple[str, str], default: Any) -> None:
        self._dtypes, self._default = dtypes, default
        self.keys = batch(keys, dtypes[0]).values
        self.values = batch(values, dtypes[1]).values
        self._theirs: Any = None
        self._lookup: Lookup | None = None
        self._tokens: Array | None = None  # the values, and the default, as what `invert` gives

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_theirs": None, "_lookup": None, "_tokens": None}

    def __len__(self) -> int:
        return len(self.keys)

    def lookup_of(self, layer: Any) -> Lookup:
        """The numbers that a layer gives, whose table this is: also of the mask's token, and of what is no key.

        Raises:
            RuntimeError: there is no key at all.
        """
        if self._lookup is None:
            self._require_keys()
            keys, numbers = self.keys, self.values
            if layer.mask_token is not None:
                mask = batch([layer.mask_token], self._dtypes[0]).values
                keys, number = together(keys, mask), batch([layer._mask_value], "int64").values
                numbers = np.append(numbers, number)
            salt, method = (layer.salt, layer.oov_method) if LAYOUT.chooses_bins else (None, None)
            self._lookup = Lookup(
                keys,
                np.append(numbers, self._default),
                layer.num_oov_indices,
                layer._oov_start_index(),
                None if salt is None else tuple(salt),
                method == "farmhash",
            )
        return self._lookup

    def tokens(self, layer: Any, numbers: Array) -> Array:
        """What `invert` gives: the keys of numbers that are values.

        Raises:
            RuntimeError: there is no key at all.
        """
        self._require_keys()
        if self._tokens is None:
            default = batch([self._default], self._dtypes[1]).values
            self._tokens = np.append(_objects(self.values), _objects(default))
        place = numbers - self.keys[0]
        found = self._tokens[np.where((place >= 0) & (place < len(self)), place, len(self))]
        if layer.mask_token is not None:
            found[numbers == 0] = _objects(batch([layer.mask_token], self._dtypes[1]).values)
        return found

    def size(self) -> Asked:
        """How many keys there are, as Keras asks for it."""
        return array(len(self))

    def export(self) -> tuple[Asked, Asked]:
        """The keys and the values, likewise."""
        return array(_objects(self.keys)), array(_objects(self.values))

    def lookup(self, tensor: Any) -> Any:
        """The values of a tensor of TensorFlow's, by a table of TensorFlow's."""
        tf = imported()
        if self._theirs is None:
            self._require_keys()
            with tf.init_scope():
                data = (tf.constant(x.tolist(), d) for x, d in zip(self.export(), self._dtypes, strict=True))
                self._theirs = tf.lookup.StaticHashTable(
                    tf.lookup.KeyValueTensorInitializer(*data), self._default
                )
        return self._theirs.lookup(tensor)

    def _require_keys(self) -> None:
        if not len(self):
            raise RuntimeError(
                "There is no vocabulary to look this up in. Call the layer's `adapt(data)` or `set_vocabulary(...)` "
                "first, or make it with `vocabulary=...`."
            )


def _objects(values: Any) -> Array:
    """Strings as Python's, integers as they are."""
    return values if isinstance(values, np.ndarray) else np.fromiter(values.tolist(), object, len(values))


def lines(path: str) -> list[bytes]:
    """The lines of a file of a vocabulary.

    Raises:
        ValueError: the file is empty, or a line is.
    """
    found = Path(path).read_bytes().replace(b"\r", b"").split(b"\n")
    if found[-1] == b"":
        found.pop()
    if not found or b"" in found:
        where = f"line {found.index(b'') + 1} is empty" if found else "the file is empty"
        raise ValueError(f"A vocabulary's file has one token in each line, but in {path!r} {where}.")
    return found
