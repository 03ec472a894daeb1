"""Which of many keys is which, strings or integers, all at once: a hash table of NumPy's functions.

A table has a place for each key, by its hash and, where that is taken, the next one. Each pass looks at one place for
every key that is left; most are done after the first.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kerasflow.strings.flat import WORD, Array, Strings

_FACTOR = np.uint64(0x9E3779B97F4A7C15)
# Of a longer string only so many words at its begin and its end are hashed; compared are all.
_HASHED = 8
# So many keys at a time: what is computed of them stays in the processor's cache.
_AT_ONCE = 1 << 18


class Integers:
    """Integers of 64 bits as keys.

    Attributes:
        head: of each key, what most others differ in. size: the rest of that.
    """

    def __init__(self, values: Array) -> None:
        self.head = values.astype(np.int64, copy=False).view(np.uint64)
        self.size = np.broadcast_to(np.int64(0), len(values))

    def __len__(self) -> int:
        return len(self.head)

    def __getitem__(self, key: Any) -> Integers:
        return Integers(self.head[key].view(np.int64))

    def hashes(self) -> Array:
        """A number for each, the highest bits of which differ."""
        return self.head * _FACTOR

    def differing(self, these: Array, others: Any, those: Array) -> Array:
        """Of keys whose heads and sizes are equal: which of the pairs are not."""
        return these[:0]


class Texts:
    """Strings as keys, likewise."""

    def __init__(self, strings: Strings, head: Array | None = None) -> None:
        self.strings = strings
        self.size = strings.lengths
        self.head = strings.own_word(0) if head is None else head

    def __len__(self) -> int:
        return len(self.head)

    def __getitem__(self, key: Any) -> Texts:
        return Texts(self.strings[key], self.head[key])

    def hashes(self) -> Array:
        result = (self.head ^ self.size.view(np.uint64)) * _FACTOR
        which = np.flatnonzero(self.size > WORD)
        for place in range(WORD, min(int(self.size.max(initial=0)), _HASHED * WORD), WORD):
            which = which[self.size[which] > place]
            result[which] = _and(result[which], self.strings[which].own_word(place))
        which = which[self.size[which] > _HASHED * WORD]
        ends = self.strings[which]
        for back in range(WORD, _HASHED * WORD + 1, WORD):
            result[which] = _and(result[which], ends.word(ends.lengths - back))
        return result

    def differing(self, these: Array, others: Texts, those: Array) -> Array:
        found = [these[:0]]
        left = np.flatnonzero(self.size[these] > WORD)
        place = WORD
        while len(left):
            mine, other = self.strings[these[left]], others.strings[those[left]]
            differs = mine.own_word(place) != other.own_word(place)
            found.append(left[differs])
            place += WORD
            left = left[~differs & (mine.lengths > place)]
        return np.concatenate(found)


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
        self._table = np.full(1 << (64 - int(self._shift)), n)
        # Where the table has no key it has one that is equal to none.
        self._head, self._size = np.append(keys.head, np.uint64(0)), np.append(keys.size, -1)
        self.first = np.arange(n)
        left, place = np.arange(n), self._place(keys.hashes())
        while len(left):
            free = self._table[place] == n
            self._table[place[free]] = left[free]  # Of several the last one is there.
            same, there = self._compared(keys, left, place)
            self.first[left] = np.where(same, there, left)
            left, place = left[~same], self._next(place[~same])

    def find(self, keys: Any) -> Array:
        """For each key the index of an equal one, or -1."""
        result = np.empty(len(keys), np.int64)
        for begin in range(0, len(keys), _AT_ONCE):
            part = slice(begin, begin + _AT_ONCE)
            result[part] = self._find(keys[part])
        return result

    def _find(self, keys: Any) -> Array:
        result = np.full(len(keys), -1)
        left, place = np.arange(len(keys)), self._place(keys.hashes())
        while len(left):
            same, there = self._compared(keys, left, place)
            result[left[same]] = there[same]
            again = np.flatnonzero(~same & (there < len(self._keys)))
            left, place = left[again], self._next(place[again])
        return result

    def _place(self, hashes: Array) -> Array:
        return (hashes >> self._shift).view(np.int64)

    def _next(self, place: Array) -> Array:
        return (place + 1) & (len(self._table) - 1)

    def _compared(self, keys: Any, left: Array, place: Array) -> tuple[Array, Array]:
        """Whether each key that is left is the one at its place, and which one that is."""
        there = self._table.take(place)
        same = self._head.take(there) == keys.head.take(left)
        same &= self._size.take(there) == keys.size.take(left)
        maybe = np.flatnonzero(same)
        same[maybe[keys.differing(left[maybe], self._keys, there[maybe])]] = False
        return same, there


def counted(keys: Any) -> tuple[Array, Array, Array]:
    """The distinct keys, each by an index of one; for each key which of these it is; how often each is there."""
    first = Index(keys).first
    occurrences = np.bincount(first, minlength=len(keys))
    distinct = np.flatnonzero(occurrences)
    number = np.cumsum(occurrences > 0) - 1
    return distinct, number[first], occurrences[distinct]
