"""Texts, and what they are split into: as TensorFlow's `strings.lower`, `regex_replace`, `split`, `unicode_split` and
`ngrams` do it, for all texts at once.

Without an encoding these know ASCII alone: other letters keep their case, other spaces and punctuation stay.
"""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kerasflow.strings.flat import Array, Strings, from_bytes, places, repeat

_CODES = bytes(range(256))
_LOWER = _CODES.lower()
_PUNCTUATION = bytes(chr(code) in string.punctuation for code in _CODES)
_WHITE = bytes(code in b" \t\n\r\v\f" for code in _CODES)


def _mapped(buffer: Array, table: bytes) -> Array:
    """What a table has for each byte, as Python looks it up: NumPy would make indices of eight bytes first."""
    return np.frombuffer(buffer.tobytes().translate(table), np.uint8)


def lower(texts: Strings) -> Strings:
    """The texts in lower case."""
    return Strings(_mapped(texts.buffer, _LOWER), texts.starts, texts.lengths)


def without_punctuation(texts: Strings) -> Strings:
    """The texts without ASCII's punctuation."""
    punctuation = _mapped(texts.buffer, _PUNCTUATION).view(bool)
    gone = np.flatnonzero(punctuation)
    if not len(gone):
        return texts
    buffer = np.zeros_like(texts.buffer)
    left = texts.buffer[~punctuation]
    buffer[: len(left)] = left
    ends = texts.starts + texts.lengths
    starts = texts.starts - np.searchsorted(gone, texts.starts)
    return Strings(buffer, starts, ends - np.searchsorted(gone, ends) - starts)


@dataclass(frozen=True, eq=False)
class Tokens:
    """The parts of texts.

    Attributes:
        strings: of all texts, in order. counts: how many each text has.
    """

    strings: Strings
    counts: Array

    @property
    def begins(self) -> Array:
        """Where each text's first one is."""
        return np.cumsum(self.counts) - self.counts


def words(texts: Strings) -> Tokens:
    """What is between white space."""
    ends = texts.starts + texts.lengths
    if (texts.starts[1:] <= ends[:-1]).any():  # Nothing is between them.
        texts = texts.packed(ord(" "))
        ends = texts.starts + texts.lengths
    begun = np.zeros(len(texts.buffer), np.int8)
    begun[texts.starts] += 1
    begun[ends] -= 1
    white = _mapped(texts.buffer, _WHITE).view(bool) | (np.cumsum(begun, dtype=np.int8) == 0)
    changes = np.flatnonzero(np.diff(white, prepend=True))
    starts = changes[::2]
    return _within(Strings(texts.buffer, starts, changes[1::2] - starts), texts)


def characters(texts: Strings) -> Tokens:
    """The code points; what is no UTF-8 is U+FFFD."""
    texts = texts.packed()
    if not _is_utf8(texts):
        texts = from_bytes([text.decode(errors="replace").encode() for text in texts.tolist()])
    end = int(texts.lengths.sum())
    starts = np.flatnonzero(texts.buffer[:end] & 0xC0 != 0x80)
    lengths = np.diff(starts, append=end)
    return _within(Strings(texts.buffer, starts, lengths), texts)


def _is_utf8(texts: Strings) -> bool:
    """Whether packed texts are, each of them: none begins within a character."""
    try:
        texts.buffer.tobytes().decode()
    except UnicodeDecodeError:
        return False
    first = texts.buffer[texts.starts[texts.lengths > 0]]
    return not (first & 0xC0 == 0x80).any()


def _within(strings: Strings, texts: Strings) -> Tokens:
    """The parts, in order, and which text each is in."""
    ends = texts.starts + texts.lengths
    return Tokens(strings, np.diff(np.searchsorted(strings.starts, ends), prepend=0))


def ngrams(tokens: Tokens, widths: Sequence[int]) -> Tokens:
    """Of each text the runs of neighbours, joined by spaces: of the first width all, of the next one all, and so on."""
    strings = tokens.strings.packed(ord(" "))
    begins, ends = tokens.begins, tokens.begins + tokens.counts
    last = repeat(ends, tokens.counts)
    text = repeat(np.arange(len(begins)), tokens.counts)
    firsts = [np.flatnonzero(np.arange(len(strings)) + width <= last) for width in widths]
    order = np.argsort(np.concatenate([text[first] for first in firsts]), kind="stable")
    first = np.concatenate(firsts)[order]
    final = np.concatenate([f + width - 1 for f, width in zip(firsts, widths, strict=True)])[order]
    starts = strings.starts[first]
    counts = sum(np.maximum(tokens.counts - (width - 1), 0) for width in widths)
    return Tokens(
        Strings(strings.buffer, starts, strings.starts[final] + strings.lengths[final] - starts),
        np.asarray(counts, np.int64) if len(widths) else np.zeros(len(begins), np.int64),
    )


def padded(values: Array, counts: Array, width: int | None = None) -> Array:
    """The values of each text in a row, with zeros behind them; as many as the longest has, or the width."""
    if width is None:
        width = int(counts.max(initial=0))
    result = np.zeros((len(counts), width), values.dtype)
    place = places(counts)
    row = repeat(np.arange(len(counts)), counts)
    fits = place < width
    if not fits.all():
        row, place, values = row[fits], place[fits], values[fits]
    result[row, place] = values
    return result
