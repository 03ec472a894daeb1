"""The table of a layer that looks up, in the place of TensorFlow's `StaticHashTable`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from kerasflow.bridge.text.batch import Batch, batch
from kerasflow.bridge.text.standin import Array, array, imported
from kerasflow.strings.table import Index


class Table:
    """Keys and their values.

    Args:
        keys, values: equally many, of strings or of integers.
        dtypes: of both: "string" or "int64". default: the value of what is no key.

    Raises:
        ValueError: two keys are equal.
    """

    def __init__(self, keys: Any, values: Any, dtypes: tuple[str, str], default: Any) -> None:
        self._dtypes, self._default = dtypes, default
        self._keys = batch(keys, dtypes[0]).values
        self._values = batch(values, dtypes[1]).values
        self._theirs: Any = None
        self._index: Any = None
        self._results: Any = None

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_theirs": None, "_index": None, "_results": None}

    def __len__(self) -> int:
        return len(self._keys)

    def find(self, given: Batch) -> np.ndarray[Any, Any]:
        """The values of what is given.

        Raises:
            RuntimeError: there is no key at all.
        """
        if self._index is None:
            self._require_keys()
            self._index = Index(Batch(self._keys, (len(self),)).keys)
            default = batch([self._default], self._dtypes[1]).values
            # Of what is no key the number is -1.
            self._results = np.append(_objects(self._values), _objects(default))
        return self._results[self._index.find(given.keys)]

    def size(self) -> Array:
        """How many keys there are, as Keras asks for it."""
        return array(len(self))

    def export(self) -> tuple[Array, Array]:
        """The keys and the values, likewise."""
        return array(_objects(self._keys)), array(_objects(self._values))

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


def _objects(values: Any) -> np.ndarray[Any, Any]:
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
