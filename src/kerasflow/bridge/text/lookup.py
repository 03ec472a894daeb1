"""`IndexLookup`, from which `StringLookup` and `IntegerLookup` are made: what it has TensorFlow do, with NumPy."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from keras.src import backend

from kerasflow.bridge.ops.tensors import convert_to_tensor, is_tensor
from kerasflow.bridge.text.batch import batch, computed, given, is_recorded
from kerasflow.bridge.text.encoded import encoded
from kerasflow.bridge.text.standin import Variable, is_tensorflows
from kerasflow.bridge.text.table import Table, lines
from kerasflow.errors import TracingError
from kerasflow.strings.batch import Batch
from kerasflow.strings.flat import Array
from kerasflow.strings.layers import Recipe, look_up
from kerasflow.strings.table import counted, keys_of


def table_from_tokens(self: Any, tokens: Any) -> Table:
    """`_lookup_table_from_tokens`: each token with its number."""
    numbers = np.arange(len(tokens)) + self._token_start_index()
    pair = (numbers, tokens) if self.invert else (tokens, numbers)
    return Table(*pair, (self._key_dtype, self._value_dtype), self._default_value)


def uninitialized_table(self: Any) -> Table:
    """`_uninitialized_lookup_table`: a layer that has not been adapted has no tokens."""
    return table_from_tokens(self, [])


def table_from_file(self: Any, filename: str) -> Table:
    """`_lookup_table_from_file`: a token in each line.

    Raises:
        ValueError: a line is empty, or is there twice.
    """
    tokens = lines(filename)
    if repeated := self._find_repeated_tokens(tokens):
        raise ValueError(f"The vocabulary's file {filename!r} has these tokens more than once: {repeated}.")
    return table_from_tokens(self, tokens if self.vocabulary_dtype == "string" else list(map(int, tokens)))


# Keras's file of a vocabulary, a token in each line, and ours beside it where the lines are not the tokens.
_LINES, _EXACT = "vocabulary.txt", "vocabulary.json"


def save_assets(self: Any, dir_path: str) -> None:
    """The vocabulary, if it is not in the configuration: Keras's file, in UTF-8 whatever the system's encoding is."""
    if self.input_vocabulary is not None:
        return
    tokens = list(map(str, self.get_vocabulary(include_special_tokens=True)))
    text = "\n".join(tokens)
    Path(dir_path, _LINES).write_text(text, "utf-8", newline="\n")
    if _lines_of(text) != tokens:  # A line break is in one of them, of which Unicode has several.
        Path(dir_path, _EXACT).write_text(json.dumps(tokens), "utf-8")


def load_assets(self: Any, dir_path: str) -> None:
    """The vocabulary of a file that `save_assets`, or Keras's own, has written."""
    if self.input_vocabulary is not None:
        return
    exact = Path(dir_path, _EXACT)
    tokens = json.loads(_text_of(exact)) if exact.exists() else _lines_of(_text_of(Path(dir_path, _LINES)))
    values = tokens if self.vocabulary_dtype == "string" else list(map(int, tokens))
    weights = self.idf_weights_const.numpy() if self.output_mode == "tf_idf" else None
    self.set_vocabulary(values, weights)


def _text_of(file: Path) -> str:
    """What is in a file; Keras writes it in the system's encoding."""
    try:
        return file.read_text("utf-8")
    except UnicodeDecodeError:
        return file.read_text()


def _lines_of(text: str) -> list[str]:
    """The tokens as Keras reads them."""
    found = text.splitlines()
    while found and found[-1] == "":
        found.pop()
    return found


def batches(data: Any, steps: int | None, dtype: str) -> Iterator[Any]:
    """What `adapt` is given, batch by batch: an array is one, each element a row; what else is iterated gives them.

    Frames are arrays too: iterated, they would give the names of their columns.
    """
    tensor = is_tensor(data) or is_tensorflows(data)
    if tensor or isinstance(data, (list, tuple, str, bytes)) or hasattr(data, "__array__"):
        ready = tensor or isinstance(data, np.ndarray)
        whole = data if ready else np.asarray(data, object if dtype == "string" else None)
        yield whole[:, None] if len(whole.shape) == 1 else whole
        return
    for i, part in enumerate(_iterated(data)):
        if steps is not None and i >= steps:
            return
        yield part


def _iterated(data: Any) -> Iterable[Any]:
    if hasattr(data, "__iter__"):
        return data
    if hasattr(data, "__len__") and hasattr(data, "__getitem__"):  # Keras's `PyDataset`
        return (data[i] for i in range(len(data)))
    raise ValueError(
        f"`adapt` takes an array, a list, a dataset or an iterable of batches; received {data!r} of type {type(data)}."
    )


def adapt(self: Any, data: Any, steps: int | None = None) -> None:
    """Computes the vocabulary from the tokens of the data; see the layer."""
    learn(self, data, steps, self.vocabulary_dtype)


def learn(layer: Any, data: Any, steps: int | None, dtype: str) -> None:
    """Have a layer make its vocabulary of what `adapt` is given."""
    layer.reset_state()
    for part in batches(data, steps, dtype):
        layer.update_state(part)
    layer.finalize_state()


def update_state(self: Any, data: Any) -> None:
    """Count the tokens of a batch, and for tf-idf the rows that they are in."""
    found = data if isinstance(data, Batch) else batch(data, self.vocabulary_dtype)
    if found.counts is None and len(found.shape) < 2:
        found = Batch(found.values, (1, *(found.shape or (1,))))  # one document
    keys = keys_of(found.values)
    if not len(keys):
        return
    distinct, numbers, counts = counted(keys)
    tokens = found.values[distinct].tolist()
    _add(self.token_counts.of, tokens, counts)
    if self.output_mode != "tf_idf":
        return
    pairs = found.rows * len(tokens) + numbers
    found_in = np.unique(pairs) % len(tokens)
    _add(self.token_document_counts.of, tokens, np.bincount(found_in.astype(np.intp, copy=False)))
    documents = len(found.counts) if found.counts is not None else found.shape[0]
    self.num_documents.assign(self.num_documents.value() + documents)


def _add(to: dict[Any, int], tokens: list[Any], counts: Array) -> None:
    if to:
        counts = counts + np.fromiter((to.get(token, 0) for token in tokens), np.int64, len(tokens))
    to.update(zip(tokens, counts.tolist(), strict=True))


def reset_state(self: Any) -> None:
    """Forget what has been counted."""
    if self._has_input_vocabulary:
        return
    self.token_counts.of.clear()
    if self.output_mode == "tf_idf":
        self.token_document_counts.of.clear()
        self.num_documents.assign(0)


def finalize_state(self: Any) -> None:
    """Make the vocabulary of what has been counted: the most frequent first, and of those the last in order."""
    seen = self.token_counts.of
    if self._has_input_vocabulary or not seen:
        if self.output_mode == "tf_idf":
            self.idf_weights_const = self.idf_weights.value()
        self._record_vocabulary_size()
        return
    for special in (self.mask_token, self.oov_token):
        if special is not None:
            seen.pop(batch([special], self.vocabulary_dtype).values.tolist()[0], None)
    tokens = sorted(seen, reverse=True)
    counts = np.fromiter(map(seen.__getitem__, tokens), np.int64, len(tokens))
    order = np.argsort(-counts, kind="stable")
    if self.max_tokens:
        order = order[: self.max_tokens - self._token_start_index()]
    tokens = [tokens[i] for i in order]
    self.lookup_table = table_from_tokens(self, tokens)
    if self.output_mode == "tf_idf":
        documents = np.array([self.token_document_counts.of.get(token, 0) for token in tokens], np.int64)
        weights = np.log(1 + self.num_documents.numpy() / (1 + documents)).astype(backend.floatx())
        front = np.full(self._token_start_index(), weights.mean())
        weights = np.concatenate([front.astype(weights.dtype), weights])
        if self.pad_to_max_tokens and self.max_tokens is not None:
            weights = np.pad(weights, (0, self.max_tokens - len(weights)))
        self.idf_weights = Variable(weights)
        self.idf_weights_const = self.idf_weights.value()
    self.reset_state()
    self._record_vocabulary_size()


def call(self: Any, inputs: Any) -> Any:
    """What the layer gives."""
    self._ensure_known_vocab_size()
    x = given(inputs)
    if self.invert:
        if is_recorded(x):
            raise TracingError(f"{self.name} gives strings (`invert=True`), which no program does.")
        numbers = batch(x, "int64")
        return convert_to_tensor(self.lookup_table.tokens(self, numbers.values).reshape(numbers.shape))
    lookup = self.lookup_table.lookup_of(self)
    return convert_to_tensor(in_form(self, computed(Recipe(look_up, (lookup,)), x)))


def depth_of(self: Any) -> int:
    """How many numbers there are, where not they themselves are given."""
    self._ensure_known_vocab_size()
    depth: int = self.max_tokens if self.pad_to_max_tokens else self._frozen_vocab_size
    return depth


def in_form(self: Any, numbers: Any) -> Any:
    """Numbers in the layer's form."""
    if self.output_mode == "int":
        return numbers
    mode = "count" if self.output_mode == "tf_idf" else self.output_mode
    return weighted(self, encoded(numbers, mode, depth_of(self), self._value_dtype, self.sparse))


def weighted(self: Any, counts: Any) -> Any:
    """What has been counted, by the weights of `tf_idf`."""
    if self.output_mode != "tf_idf":
        return counts
    if self.idf_weights_const is None:
        raise ValueError("When `output_mode` is `'tf_idf'`, `idf_weights` must be provided.")
    weights = self.idf_weights_const.numpy()
    return counts.astype(weights.dtype) * weights
