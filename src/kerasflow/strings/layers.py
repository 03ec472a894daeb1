"""What Keras's layers of text compute, as functions of arrays: what they are made with comes first, the arrays last.

A `Recipe` is such a function with all but the arrays. The layers compute by it, and exported files have its text.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kerasflow.strings.batch import Batch, batch
from kerasflow.strings.encode import occurrences as in_rows
from kerasflow.strings.flat import Array, Strings, from_list, is_text, parts, strings
from kerasflow.strings.hashing import bins, crossed, decimals, fingerprint64, siphash
from kerasflow.strings.lookup import Lookup
from kerasflow.strings.table import Index, keys_of
from kerasflow.strings.tokens import Tokens, ngrams, padded

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Recipe:
    """A function of this file, which gives integers of 64 bits.

    Attributes:
        arguments: what comes before the arrays: numbers, functions, `Lookup`s, strings of bytes, and tuples of them.
    """

    function: Callable[..., Any]
    arguments: tuple[Any, ...]

    def __call__(self, *arrays: Any) -> Array:
        result: Array = self.function(*self.arguments, *arrays)
        return result

    def shape(self, *shapes: Shape) -> Shape:
        """That of the result, from those of the arrays.

        Raises:
            ValueError: there is none for such arrays, or it depends on what is in them.
        """
        result: Shape = _SHAPES[self.function](*self.arguments, *shapes)
        return result


# -- lookups and hashes -------------------------------------------------------------------------------------


def look_up(lookup: Lookup, x: Any) -> Array:
    """The number of each string or integer."""
    given = batch(x, lookup.integers)
    return lookup(given.values).reshape(given.shape)


def hashed(count: int, salt: Sequence[int] | None, mask: Any, x: Array) -> Array:
    """The bin of each string or number.

    Args:
        salt: SipHash's key; None takes FarmHash. mask: what is in a bin of its own, the first one.
    """
    values = strings(x)[0] if is_text(x) else x.ravel()
    result = np.empty(len(values), np.int64)
    for part in parts(len(values)):
        result[part] = _hashed(count, salt, mask, values[part])
    return result.reshape(x.shape)


def _hashed(count: int, salt: Sequence[int] | None, mask: Any, x: Any) -> Array:
    values = _spelled(x)
    hashes = siphash(values, salt) if salt is not None else fingerprint64(values)
    if mask is None or count <= 1:
        return bins(hashes, count)
    if isinstance(x, Strings):
        masked = Index(keys_of(from_list([mask]))).find(keys_of(values)) == 0
    else:
        masked = x == np.asarray(mask).astype(x.dtype)
    return np.where(masked, 0, bins(hashes, count - 1) + 1)


def _spelled(x: Any) -> Strings:
    """What is hashed: numbers as they are written, without what is behind the point."""
    if isinstance(x, Strings):
        return x
    if x.dtype == bool:
        return from_list(["false", "true"])[x.astype(np.int64)]
    if x.dtype.kind not in "iu":
        with np.errstate(invalid="ignore"):
            x = x.astype(np.int64)
    return decimals(x)


def cross(count: int, *columns: Array) -> Array:
    """The bin of what several arrays of strings or integers have at each place."""
    values = [strings(x)[0] if is_text(x) else x.astype(np.int64).ravel() for x in columns]
    result = np.empty(len(values[0]), np.int64)
    for part in parts(len(result)):
        result[part] = bins(crossed([_crossable(x[part]) for x in values]), count)
    return result.reshape(columns[0].shape)


def _crossable(x: Any) -> Array:
    return fingerprint64(x).view(np.int64) if isinstance(x, Strings) else x


def occurrences(depth: int, binary: bool, numbers: Array) -> Array:
    """How often each number is in each row, or whether it is; those out of range count nothing.

    Args:
        depth: how many numbers there are. numbers: a row, or rows.
    """
    given = Batch(numbers.ravel(), numbers.shape)
    found = in_rows(given.values, given.rows, (math.prod(numbers.shape[:-1]), depth), binary)
    return found[0] if numbers.ndim < 2 else found


# -- texts --------------------------------------------------------------------------------------------------

# What is done with texts: functions that change them, one that splits them, widths of n-grams.
Steps = tuple[tuple[Callable[..., Any], ...], Callable[..., Any] | None, tuple[int, ...] | None]


def of_texts(steps: Steps, function: Callable[..., Any], arguments: tuple[Any, ...], texts: Any) -> Array:
    """What a function, `numbered` or `counted`, makes of the words of texts."""
    result: Array = function(*arguments, words_of(steps, texts))
    return result


def words_of(steps: Steps, texts: Any) -> Batch:
    """The words of texts: rows of different lengths where they are split, else as they are given."""
    change, split, widths = steps
    values, shape = strings(texts)
    for function in change:
        values = function(values)
    found = Batch(values, shape)
    if split is not None:
        parts, rows = split(values), rows_of_texts(shape)
        # A single text is a row of words.
        found = Batch(parts.strings, rows or (len(parts.strings),), parts.counts if rows else None)
    return found if widths is None else joined(widths, found)


def rows_of_texts(shape: Shape) -> Shape:
    """The shape of the rows of words, one for each text.

    Raises:
        ValueError: several texts are in a row.
    """
    if len(shape) > 1 and shape[-1] != 1:
        raise ValueError(
            "When using `TextVectorization` to tokenize strings, the input rank must be 1 or the last shape "
            f"dimension must be 1. Received: inputs.shape={shape} with rank={len(shape)}"
        )
    return shape[:-1] if len(shape) > 1 else shape


def joined(widths: tuple[int, ...], found: Batch) -> Batch:
    """The n-grams of words."""
    counts, shape = found.counts, found.shape
    if counts is None:
        counts, shape = np.full(math.prod(shape[:-1]), shape[-1]), _joined_shape(widths, shape)
    made = ngrams(Tokens(found.values, counts), widths)
    return Batch(made.strings, shape, None if found.counts is None else made.counts)


def _joined_shape(widths: tuple[int, ...], shape: Shape) -> Shape:
    if not shape:
        raise ValueError(
            "`ngrams` are made of several tokens, but a single string was received that is not split."
        )
    return (*shape[:-1], sum(max(shape[-1] - (width - 1), 0) for width in widths))


def numbered(lookup: Lookup, length: int | None, words: Batch) -> Array:
    """The words' numbers, each row with zeros behind them.

    Args:
        length: how many a row has; None for as many as the longest one.
    """
    found = lookup(words.values)
    if words.counts is not None:
        rows = padded(found, words.counts, length)
        return rows.reshape(*words.shape, rows.shape[-1])
    found = found.reshape(words.shape)
    if length is None:
        return found
    found = found[..., :length]
    return np.pad(found, [(0, 0)] * (found.ndim - 1) + [(0, length - found.shape[-1])])


def counted(lookup: Lookup, depth: int, binary: bool, words: Batch) -> Array:
    """How often each word is in each row, or whether it is.

    Args:
        depth: how many numbers the lookup may have.

    Raises:
        ValueError: the rows are themselves in rows.
    """
    if words.counts is not None and len(words.shape) > 1:
        raise ValueError(
            "Rows that differ in length, as those of a text that is split, can be counted for texts of the shape "
            f"(batch,) or (batch, 1); received those of the shape {words.shape}."
        )
    numbers = lookup(words.values)
    if words.counts is None:
        return occurrences(depth, binary, numbers.reshape(words.shape))
    return in_rows(numbers, words.rows, (len(words.counts), depth), binary)


# -- shapes -------------------------------------------------------------------------------------------------


def _same(*arguments: Any) -> Shape:
    shape: Shape = arguments[-1]
    return shape


def _shape_of_rows(depth: int, binary: bool, shape: Shape) -> Shape:
    return (*shape[:-1], depth)


def _shape_of_texts(
    steps: Steps, function: Callable[..., Any], arguments: tuple[Any, ...], shape: Shape
) -> Shape:
    _, split, widths = steps
    wanted: int | None = arguments[1]
    if split is None:
        words = shape if widths is None else _joined_shape(widths, shape)
    elif wanted is None:
        raise ValueError(
            "The rows of a text that is split are as long as the longest one: say how long they are to be, by "
            "`TextVectorization(output_sequence_length=...)`."
        )
    else:
        words = (*rows_of_texts(shape), 0)
    return (*words[:-1], words[-1] if wanted is None else wanted)


_SHAPES: dict[Any, Callable[..., Shape]] = {
    look_up: _same,
    hashed: _same,
    cross: _same,
    occurrences: _shape_of_rows,
    of_texts: _shape_of_texts,
}
