"""`TextVectorization`, with NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np

from kerasflow.bridge.ops.tensors import convert_to_tensor
from kerasflow.bridge.text.batch import computed, given, is_recorded
from kerasflow.bridge.text.encoded import stored_counts
from kerasflow.bridge.text.lookup import depth_of, in_form, learn, weighted
from kerasflow.errors import TracingError
from kerasflow.strings import tokens
from kerasflow.strings.batch import Batch
from kerasflow.strings.flat import Array, Strings, strings
from kerasflow.strings.layers import Recipe, counted, joined, numbered, of_texts, rows_of_texts, words_of

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
    x = given(inputs)
    if not has_functions(self):
        return words_of(_steps(self), x)
    if is_recorded(x):
        raise TracingError(
            f"{self.name} calls a function of its own to standardize or to split texts, which a file cannot have. Call "
            "it on the texts before the model, with `standardize=None` or `split=None` in the layer."
        )
    return _words(self, x)


def _steps(self: Any) -> Any:
    """What the layer does with texts that is none of the user's functions."""
    standardize = () if callable(self._standardize) else _STANDARDIZE[self._standardize]
    split = None if callable(self._split) or self._split is None else _SPLIT[self._split]
    return standardize, split, self._ngrams


def _words(self: Any, x: Any) -> Batch:
    """The same with functions of the user's, who get text."""
    change, split, widths = _steps(self)
    if callable(self._standardize):
        texts, shape = strings(x)
        x = np.asarray(self._standardize(_text(texts, shape, self._encoding)))
    if not callable(self._split):
        return words_of((change, split, widths), x)
    found = words_of((change, None, None), x)
    rows = self._split(_text(found.values, rows_of_texts(found.shape), "utf-8"))
    rows = [np.ravel(np.asarray(row, object)).tolist() for row in rows]
    flat, _ = strings([token for row in rows for token in row])
    found = Batch(flat, (len(rows),), np.fromiter(map(len, rows), np.int64, len(rows)))
    return found if widths is None else joined(widths, found)


def _text(texts: Strings, shape: tuple[int, ...], encoding: str) -> Array:
    """NumPy's text."""
    return np.array([text.decode(encoding) for text in texts.tolist()], str).reshape(shape)


def _counted_sparsely(lookup: Any, depth: int, binary: bool, words: Batch) -> Any:
    return stored_counts(Batch(lookup(words.values), words.shape, words.counts), depth, binary)


def call(self: Any, inputs: Any) -> Any:
    """What the layer gives."""
    lookups = self._lookup_layer
    lookup = lookups.lookup_table.lookup_of(lookups)
    counting = self._output_mode in ("multi_hot", "count", "tf_idf")
    function: Any
    arguments: tuple[Any, ...]
    if counting:
        form = depth_of(lookups), self._output_mode == "multi_hot"
        function, arguments = counted, (lookup, *form)
        if self.sparse and not is_recorded(inputs):
            function, arguments = _counted_sparsely, (lookup, *form)
    else:
        function, arguments = numbered, (lookup, self._output_sequence_length)
    if self._output_mode == "one_hot" and self._split is not None:
        raise ValueError(
            "`output_mode='one_hot'` cannot be made of rows that differ in length, as those of a text that is split; "
            "`'multi_hot'`, `'count'` and `'tf_idf'` can."
        )
    if is_recorded(inputs) and not has_functions(self):
        found = computed(Recipe(of_texts, (_steps(self), function, arguments)), inputs)
    else:
        found = function(*arguments, preprocess(self, inputs))
    if counting:
        return convert_to_tensor(weighted(lookups, found.astype(lookups._value_dtype)))
    return convert_to_tensor(in_form(lookups, found))
