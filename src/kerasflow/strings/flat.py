"""Many strings as NumPy can compute with them: their bytes one behind the other, and where each of them is.

Text is UTF-8, as in TensorFlow; bytes may be anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np

Array = np.ndarray[Any, Any]

WORD = 8  # bytes
# So much is behind the last string: a word can be read wherever a string ends.
_MARGIN = 2 * WORD
# So many strings at a time: what is computed of them stays in the processor's cache.
AT_ONCE = 1 << 14
# The bits of a word that a string fills of which so many bytes are left.
_MASKS = np.array([(1 << 8 * n) - 1 for n in range(WORD + 1)], np.uint64)


@dataclass(frozen=True, eq=False)
class Strings:
    """Strings in a buffer.

    Attributes:
        buffer: whole words of bytes, with a margin behind the last string.
        starts, lengths: of each string, in the buffer.
    """

    buffer: Array
    starts: Array
    lengths: Array

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, key: Any) -> Self:
        """Some of them, in the same buffer."""
        return type(self)(self.buffer, self.starts[key], self.lengths[key])

    def tolist(self) -> list[bytes]:
        data = self.buffer.tobytes()
        ends = self.starts + self.lengths
        return [data[i:j] for i, j in zip(self.starts.tolist(), ends.tolist(), strict=True)]

    @cached_property
    def _words(self) -> Array:
        return self.buffer.view("<u8")

    def word(self, place: Any) -> Array:
        """The eight bytes that begin at a place of each string, as a little-endian number."""
        starts = self.starts + place
        aligned = starts >> 3
        low = self._words.take(aligned)
        shift = (starts & 7).astype(np.uint64) << np.uint64(3)
        if not shift.any():
            return low
        high = self._words.take(aligned + 1)
        return (low >> shift) | ((high << np.uint64(1)) << (np.uint64(63) - shift))

    def own_word(self, place: int) -> Array:
        """The same, with zeros for what is behind a string's end."""
        left = self.lengths - place
        words = self.word(place)
        return words if left.min(initial=WORD) >= WORD else words & _MASKS.take(left, mode="clip")

    def packed(self, gap: int | None = None) -> Strings:
        """The same strings one behind the other, in order, a byte behind each that has the value `gap`."""
        steps = self.lengths + (gap is not None)
        starts = np.cumsum(steps) - steps
        buffer = new_buffer(int(steps.sum()))
        if gap is not None:
            buffer[starts + self.lengths] = gap
        inside = places(self.lengths)
        of, to = repeat(self.starts, self.lengths), repeat(starts, self.lengths)
        buffer[to + inside] = self.buffer[of + inside]
        return Strings(buffer, starts, self.lengths)


@dataclass(frozen=True, eq=False)
class Rows(Strings):
    """Strings of which each has the same space, whole words, with zeros behind it."""

    rows: Array

    def __getitem__(self, key: Any) -> Self:
        return type(self)(self.buffer, self.starts[key], self.lengths[key], self.rows[key])

    def own_word(self, place: int) -> Array:
        column = place // WORD
        return self.rows[:, column].copy() if column < self.rows.shape[1] else np.zeros(len(self), np.uint64)


def repeat(x: Array, counts: Array) -> Array:
    """`np.repeat`, which takes no counts that are wider than NumPy's own integers; those may have 32 bits."""
    return np.repeat(x, counts.astype(np.intp, copy=False))


def places(counts: Array) -> Array:
    """Of runs one behind the other, so long: of each element the place in its own."""
    return np.arange(int(counts.sum())) - repeat(np.cumsum(counts) - counts, counts)


def parts(count: int) -> Iterator[slice]:
    """So many strings, a few at a time."""
    return (slice(begin, min(begin + AT_ONCE, count)) for begin in range(0, count, AT_ONCE))


def new_buffer(size: int) -> Array:
    """Zeros for so many bytes, and the margin."""
    return np.zeros((size + _MARGIN + WORD - 1) // WORD, np.uint64).view(np.uint8)


def buffer_of(data: bytes) -> Array:
    """The bytes in a buffer."""
    buffer = new_buffer(len(data))
    buffer[: len(data)] = np.frombuffer(data, np.uint8)
    return buffer


def from_bytes(items: Sequence[bytes]) -> Strings:
    """The strings of a list."""
    lengths = np.fromiter(map(len, items), np.int64, len(items))
    return Strings(buffer_of(b"".join(items)), np.cumsum(lengths) - lengths, lengths)


def together(first: Any, second: Any) -> Any:
    """The ones and behind them the others, of two `Strings` or two arrays of integers."""
    if isinstance(first, Strings):
        return from_bytes(first.tolist() + second.tolist())
    return np.concatenate([first, second])


def from_list(items: Sequence[Any]) -> Strings:
    """Strings of text, of bytes, or of both.

    Raises:
        TypeError: one of them is something else.
        ValueError: half of a surrogate pair is no character.
    """
    try:
        data = "\0".join(items).encode()
    except (TypeError, UnicodeEncodeError):
        return from_bytes(list(map(_bytes, items)))
    buffer = buffer_of(data)
    gaps = np.flatnonzero(buffer[: len(data)] == 0)
    if len(gaps) != len(items) - 1:  # There are some in the strings.
        return from_bytes(list(map(str.encode, items)))
    starts = np.zeros(len(items), np.int64)
    np.add(gaps, 1, out=starts[1:])
    lengths = np.empty_like(starts)
    np.subtract(gaps, starts[:-1], out=lengths[:-1])
    lengths[-1] = len(data) - starts[-1]
    return Strings(buffer, starts, lengths)


_NUMBERS = "Numbers are looked up by `IntegerLookup`; `x.astype(str)` makes strings of them."
_MISSING = (
    'A missing value is no string; give it one: `x.fillna("")` with pandas, `x.fill_null("")` with polars.'
)
_ROWS = "Rows of different lengths make no array: pad them with a string, or look them up one by one."
# What to do with what is no string, by the name of its type.
_REMEDIES = {
    **dict.fromkeys(("NoneType", "float", "NAType", "NaTType"), _MISSING),
    **dict.fromkeys(("int", "bool", "int64", "float64"), _NUMBERS),
    **dict.fromkeys(("list", "tuple", "ndarray"), _ROWS),
}


def _bytes(item: Any) -> bytes:
    if isinstance(item, bytes):
        return item
    if isinstance(item, str):
        try:
            return item.encode()
        except UnicodeEncodeError as error:
            raise ValueError(
                f"{item!r} cannot be written as UTF-8: half of a surrogate pair is no character. "
                '`text.encode(errors="replace")` puts a question mark there.'
            ) from error
    kind = type(item).__name__
    raise TypeError(
        f"Expected strings, but one of them is {item!r}, of type {kind}. {_REMEDIES.get(kind, '')}"
    )


def from_lengths(data: Array, lengths: Array) -> Strings:
    """Strings of such lengths, one behind the other."""
    return Strings(buffer_of(data.tobytes()), np.cumsum(lengths) - lengths, lengths)


def texts(x: Any) -> Array:
    """Strings as an array; NumPy would make its own text of a list's, without the zeros at their ends."""
    return np.asarray(x, None if hasattr(x, "dtype") else object)


def is_text(x: Array) -> bool:
    """Whether an array is one of strings."""
    return x.dtype.kind in _KINDS


def strings(x: Any) -> tuple[Strings, tuple[int, ...]]:
    """The strings of an array or of a nested list, in order, and its shape.

    Raises:
        TypeError: there is something else in it.
    """
    if isinstance(x, (list, tuple)) and x and all(isinstance(item, (str, bytes)) for item in x):
        return from_list(x), (len(x),)
    x = texts(x)
    return (_KINDS.get(x.dtype.kind, _refuse) if x.size else _nothing)(x), x.shape


def _nothing(x: Array) -> Strings:
    return from_bytes([])


def _refuse(x: Array) -> Strings:
    raise TypeError(f"Expected strings, but received an array of dtype {x.dtype}. {_NUMBERS}")


def _of_objects(x: Array) -> Strings:
    return from_list(x.ravel().tolist())


def _of_text(x: Array) -> Strings:
    """NumPy's text has four bytes for each character: of ASCII's the first one is all that there is."""
    x = np.ascontiguousarray(x, x.dtype.newbyteorder("=")).reshape(-1)
    codes = x.view(np.uint32)
    return _of_objects(x) if codes.max() >= 0x80 else _rows(codes, x)


def _of_bytes(x: Array) -> Strings:
    x = np.ascontiguousarray(x).reshape(-1)
    return _rows(x.view(np.uint8), x)


def _rows(codes: Array, x: Array) -> Strings:
    """Strings of an array in which each has the same space: here whole words."""
    width = codes.size // len(x)
    space = -(-width // WORD) * WORD
    buffer = new_buffer(len(x) * space)
    buffer[: len(x) * space].reshape(len(x), space)[:, :width] = codes.reshape(len(x), width)
    words = buffer.view("<u8")[: len(x) * space // WORD].reshape(len(x), space // WORD)
    return Rows(buffer, np.arange(len(x)) * space, np.strings.str_len(x).astype(np.int64), words)


_KINDS = {"U": _of_text, "S": _of_bytes, "O": _of_objects, "T": _of_objects}
