"""Which of many keys is which, strings or integers, all at once: a hash table of NumPy's functions.

A table has a place for each key, by its hash and, where that is taken, the next one. Each pass looks at one place for
every key that is left; most are done after the first.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from kerasflow.strings.flat import AT_ONCE, WORD, Array, Strings, parts

_FACTOR = np.uint64(0x9E3779B97F4A7C15)
# A string of less than a word is that word, with its length in the last byte; a longer one has a hash there, with the
# highest bit.
_LENGTH = np.uint64(56)
_LONG = np.uint64(1 << 63)
# Of a longer string only so many words at its begin and its end are hashed; compared are all.
_HASHED = 8


class Integers:
    """Integers of 64 bits as keys.

    Attributes:
        heads: a number for each, the same for those that are equal.
    """

    def __init__(self, values: Array) -> None:
        self.heads = values.astype(np.int64, copy=False).view(np.uint64)

    def __len__(self) -> int:
        return len(self.heads)

    def __getitem__(self, key: Any) -> Integers:
        return Integers(self.heads[key].view(np.int64))

    def differing(self, same: Array, others: Any, those: Array) -> Array:
        """Of the keys whose heads are those of others: which are others nevertheless."""
        return those[:0]


class Texts:
    """Strings as keys, likewise."""

    def __init__(self, strings: Strings) -> None:
        self.strings = strings

    @cached_property
    def heads(self) -> Array:
        return _heads(self.strings)

    def __len__(self) -> int:
        return len(self.strings)

    def __getitem__(self, key: Any) -> Texts:
        return Texts(self.strings[key])

    def differing(self, same: Array, others: Texts, those: Array) -> Array:
        left = np.flatnonzero(same & (self.heads >= _LONG))
        if not len(left):
            return left
        equal = self.strings.lengths[left] == others.strings.lengths[those[left]]
        found, left = [left[~equal]], left[equal]
        mine, other = self.strings[left], others.strings[those[left]]
        place = 0
        while len(left):
            differs = mine.own_word(place) != other.own_word(place)
            found.append(left[differs])
            place += WORD
            going = ~differs & (mine.lengths > place)
            if not going.all():
                left, mine, other = left[going], mine[going], other[going]
        return np.concatenate(found)


def _heads(strings: Strings) -> Array:
    heads, lengths = strings.own_word(0), strings.lengths
    longest = int(lengths.max(initial=0))
    if longest < WORD:
        return heads | (lengths.astype(np.uint64) << _LENGTH)
    long = np.flatnonzero(lengths >= WORD)
    heads |= np.where(lengths < WORD, lengths, 0).astype(np.uint64) << _LENGTH
    hashes, left, which = heads[long], np.arange(len(long)), strings[long]
    for place in range(WORD, min(longest, _HASHED * WORD), WORD):
        left, which = _longer(left, which, place)
        hashes[left] = _and(hashes[left], which.own_word(place))
    left, which = _longer(left, which, _HASHED * WORD)
    for back in range(WORD, _HASHED * WORD + 1, WORD) if len(left) else ():
        hashes[left] = _and(hashes[left], which.word(which.lengths - back))
    heads[long] = hashes | _LONG
    return heads


def _longer(left: Array, strings: Strings, place: int) -> tuple[Array, Strings]:
    """Those strings that do not end before a place, and their numbers."""
    going = strings.lengths > place
    return (left, strings) if going.all() else (left[going], strings[going])


def keys_of(values: Any) -> Integers | Texts:
    """`Strings` or an array of integers as keys."""
    return Texts(values) if isinstance(values, Strings) else Integers(values)


def _and(hashes: Array, words: Array) -> Array:
    return (hashes ^ (hashes >> np.uint64(32)) ^ words) * _FACTOR


class Index:
    """Which of its keys a key is.

    Attributes:
        first: for each key that it is made of the index of an equal one, the same for all that are equal.
    """

    def __init__(self, keys: Any) -> None:
        n = len(keys)
        self._keys = keys
        self._shift = np.uint64(64 - max(4, int(4 * n).bit_length()))
        self._table = np.full(1 << (64 - int(self._shift)), n, np.int32 if n < 1 << 31 else np.int64)
        self._heads = np.append(keys.heads, np.uint64(0))  # The last one is for where the table has no key.
        self.first = np.arange(n)
        left, place = np.arange(n), self._place(keys)
        while len(left):
            free = np.flatnonzero(self._table.take(place) == n)
            self._table[place[free]] = left[free]  # Of several the last one is there.
            there, same = self._compared(keys, place)
            self.first[left] = np.where(same, there, left)
            other = np.flatnonzero(~same)
            keys, left, place = keys[other], left[other], self._next(place[other])

    def find(self, keys: Any) -> Array:
        """For each key the index of an equal one, or -1."""
        result = np.empty(len(keys), np.int64)
        some = [result[:0]]
        for part in parts(len(keys)):
            these = keys[part]
            there, same = self._compared(these, self._place(these))
            result[part] = np.where(same, there, -1)
            some.append(np.flatnonzero(~same & (there < len(self._keys))) + part.start)
        # Of the others most are found at the next place.
        left = np.concatenate(some)
        keys = keys[left]
        place = self._place(keys)
        while len(left):
            place = self._next(place)
            there, same = self._compared(keys, place)
            result[left[same]] = there[same]
            again = np.flatnonzero(~same & (there < len(self._keys)))
            keys, left, place = keys[again], left[again], place[again]
        return result

    def _place(self, keys: Any) -> Array:
        return ((keys.heads * _FACTOR) >> self._shift).view(np.int64)

    def _next(self, place: Array) -> Array:
        return (place + 1) & (len(self._table) - 1)

    def _compared(self, keys: Any, place: Array) -> tuple[Array, Array]:
        """Which key is at the place of each one, and whether the two are equal."""
        there: Any = self._table.take(place)
        same = self._heads.take(there) == keys.heads
        same &= there != len(self._keys)
        same[keys.differing(same, self._keys, there)] = False
        return there, same


def counted(keys: Any) -> tuple[Array, Array, Array]:
    """The distinct keys, each by an index of one; for each key which of these it is; how often each is there."""
    first = np.empty(len(keys), np.int64)
    for part in parts(len(keys)):  # Those of a part first: most are few, and stay in the processor's cache.
        first[part] = Index(keys[part]).first + part.start
    if len(keys) > AT_ONCE:
        ones = np.flatnonzero(first == np.arange(len(keys)))
        place = np.empty(len(keys), np.int64)
        place[ones] = ones[Index(keys[ones]).first]
        first = place[first]
    occurrences = np.bincount(first.astype(np.intp, copy=False), minlength=len(keys))
    distinct = np.flatnonzero(occurrences)
    number = np.cumsum(occurrences > 0) - 1
    return distinct, number[first], occurrences[distinct]
