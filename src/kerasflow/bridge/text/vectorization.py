"""`TextVectorization`, with NumPy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from kerasflow.bridge.ops.tensors import convert_to_tensor
from kerasflow.bridge.text.batch import Batch, batch
from kerasflow.bridge.text.lookup import learn, looked_up
from kerasflow.strings import tokens
from kerasflow.strings.flat import Array, Strings, strings
from kerasflow.strings.tokens import Tokens

_STANDARDIZE: dict[Any, tuple[Any, ...]] = {
    None: (),
    "lower": (tokens.lower,),
    "strip_punctuation": (tokens.without_punctuation,),
    "lower_and_strip_punctuation": (tokens.lower, tokens.without_punctuation),
}
_SPLIT = {"whitespace": tokens.words, "character": tokens.characters}


def has_functions(self: Any) -> bool:
    """Whether the layer calls functions of the user's."""
    return callable(self._standardize) or callable(self._split)


def adapt(self: Any, data: Any, batch_size: int | None = None, steps: int | None = None) -> None:
    """Computes the vocabulary from the tokens of the texts; see the layer."""
    learn(self, data, steps, "string")


def preprocess(self: Any, inputs: Any) -> Batch:
    """The tokens of texts: rows of different lengths where they are split, else as they are given."""
    given = batch(inputs, "string")
    texts, shape = given.values, given.shape
    if callable(self._standardize):
        texts, shape = strings(np.asarray(self._standardize(_text(texts, shape, self._encoding))))
    else:
        for function in _STANDARDIZE[self._standardize]:
            texts = function(texts)
    found = Batch(texts, shape)
    if self._split is not None:
        found = _split(self, found)
    return found if self._ngrams is None else _ngrams(found, self._ngrams)


def _text(texts: Strings, shape: tuple[int, ...], encoding: str) -> Array:
    """NumPy's text."""
    return np.array([text.decode(encoding) for text in texts.tolist()], str).reshape(shape)


def _split(self: Any, found: Batch) -> Batch:
    if len(found.shape) > 1:
        if found.shape[-1] != 1:
            raise ValueError(
                "When using `TextVectorization` to tokenize strings, the input rank must be 1 or the last shape "
                f"dimension must be 1. Received: inputs.shape={found.shape} with rank={len(found.shape)}"
            )
        found = Batch(found.values, found.shape[:-1])
    if callable(self._split):
        rows = self._split(_text(found.values, found.shape, "utf-8"))
        rows = [np.ravel(np.asarray(row, object)).tolist() for row in rows]
        flat = [token for row in rows for token in row]
        return Batch(strings(flat)[0], (len(rows),), np.fromiter(map(len, rows), np.int64, len(rows)))
    parts = _SPLIT[self._split](found.values)
    if not found.shape:  # of a single text
        return Batch(parts.strings, (len(parts.strings),))
    return Batch(parts.strings, found.shape, parts.counts)


def _ngrams(found: Batch, widths: tuple[int, ...]) -> Batch:
    if found.counts is not None:
        made = tokens.ngrams(Tokens(found.values, found.counts), widths)
        return Batch(made.strings, found.shape, made.counts)
    if not found.shape:
        raise ValueError(
            "`ngrams` are made of several tokens, but a single string was received that is not split."
        )
    rows = math.prod(found.shape[:-1])
    made = tokens.ngrams(Tokens(found.values, np.full(rows, found.shape[-1])), widths)
    width = sum(max(found.shape[-1] - (width - 1), 0) for width in widths)
    return Batch(made.strings, (*found.shape[:-1], width))


def call(self: Any, inputs: Any) -> Any:
    """What the layer gives."""
    found = preprocess(self, inputs)
    result = looked_up(self._lookup_layer, found)
    if self._output_mode != "int":
        return convert_to_tensor(result)
    length = self._output_sequence_length
    if found.counts is not None:
        rows = tokens.padded(result, found.counts, length)
        return convert_to_tensor(rows.reshape(*found.shape, rows.shape[-1]))
    if length is not None:
        result = result[..., :length]
        behind = length - result.shape[-1]
        result = np.pad(result, [(0, 0)] * (result.ndim - 1) + [(0, behind)])
    return convert_to_tensor(result)
