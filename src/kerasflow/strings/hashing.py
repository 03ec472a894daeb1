"""Hashes of strings that are the same on every machine: FarmHash's `Fingerprint64` and SipHash-2-4, for many at once.

They decide in which bin a category is, in files as on other backends; so each bit is TensorFlow's. The algorithms are
Google's FarmHash (`farmhashna::Hash64`) and Aumasson's and Bernstein's SipHash.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from kerasflow.strings.flat import WORD, Array, Strings, new_buffer

_U = np.uint64
_DIGITS = 24  # the most that are written for 64 bits, as whole words
# The numbers of four digits as they are written.
_FOURS = (
    (np.arange(10**4)[:, None] // [1000, 100, 10, 1] % 10 + ord("0")).astype(np.uint8).view(np.uint32).ravel()
)
_K0 = _U(0xC3A5C85C97CB3127)
_K1 = _U(0xB492B66FBE98F273)
_K2 = _U(0x9AE16A3B2F90404F)


def fingerprint64(strings: Strings) -> Array:
    """FarmHash's 64-bit fingerprint of each string."""
    result = np.empty(len(strings), np.uint64)
    lengths = strings.lengths
    for low, high, function in _BY_LENGTH:
        found = np.flatnonzero((lengths >= low) & (lengths <= high))
        if len(found):
            with np.errstate(over="ignore"):
                result[found] = function(_Reader(strings.buffer, strings.starts[found], lengths[found]))
    return result


class _Reader(Strings):
    """What the hash functions read of strings, and their lengths as they compute with them."""

    @cached_property
    def size(self) -> Array:
        return self.lengths.astype(np.uint64)

    def half(self, place: Any) -> Array:
        return self.word(place) & _U(0xFFFFFFFF)

    def byte(self, place: Any) -> Array:
        return self.word(place) & _U(0xFF)


def _rotate(x: Array, by: int) -> Array:
    """The bits moved to the right, those that fall out come in again."""
    result = x >> _U(by)
    result |= x << _U(64 - by)
    return result


def _mixed(x: Array) -> Array:
    return x ^ (x >> _U(47))


def _of_two(u: Array, v: Array, by: Array) -> Array:
    a = _mixed((u ^ v) * by)
    return _mixed((v ^ a) * by) * by


def _empty(s: _Reader) -> Array:
    return np.full(len(s.size), _K2)


def _up_to_3(s: _Reader) -> Array:
    y = s.byte(0) + (s.byte(s.lengths >> 1) << _U(8))
    z = s.size + (s.byte(s.lengths - 1) << _U(2))
    return _mixed((y * _K2) ^ (z * _K0)) * _K2


def _up_to_7(s: _Reader) -> Array:
    by = _K2 + s.size * _U(2)
    return _of_two(s.size + (s.half(0) << _U(3)), s.half(s.lengths - 4), by)


def _up_to_16(s: _Reader) -> Array:
    by = _K2 + s.size * _U(2)
    a, b = s.word(0) + _K2, s.word(s.lengths - 8)
    return _of_two(_rotate(b, 37) * by + a, (_rotate(a, 25) + b) * by, by)


def _up_to_32(s: _Reader) -> Array:
    by = _K2 + s.size * _U(2)
    a, b, c, d = s.word(0) * _K1, s.word(8), s.word(s.lengths - 8) * by, s.word(s.lengths - 16) * _K2
    return _of_two(_rotate(a + b, 43) + _rotate(c, 30) + d, a + _rotate(b + _K2, 18) + c, by)


def _up_to_64(s: _Reader) -> Array:
    by = _K2 + s.size * _U(2)
    a, b, c, d = s.word(0) * _K2, s.word(8), s.word(s.lengths - 8) * by, s.word(s.lengths - 16) * _K2
    y = _rotate(a + b, 43) + _rotate(c, 30) + d
    z = _of_two(y, a + _rotate(b + _K2, 18) + c, by)
    e, f = s.word(16) * by, s.word(24)
    g, h = (y + s.word(s.lengths - 32)) * by, (z + s.word(s.lengths - 24)) * by
    return _of_two(_rotate(e + f, 43) + _rotate(g, 30) + h, e + _rotate(f + a, 18) + g, by)


def _weak(s: _Reader, place: Any, a: Array, b: Array) -> tuple[Array, Array]:
    """A weak hash of 32 bytes with two seeds."""
    w, x, y, z = (s.word(place + i) for i in range(0, 32, WORD))
    a = a + w
    b = _rotate(b + a + z, 21)
    c = a
    a = a + x + y
    return a + z, b + _rotate(a, 44) + c


def _longer(s: _Reader) -> Array:
    x = np.full(len(s), 81, np.uint64)
    y = x * _K1 + _U(113)
    z = _mixed(y * _K2 + _U(113)) * _K2
    state = np.stack([x * _K2 + s.word(0), y, z, *np.zeros((4, len(s)), np.uint64)])
    blocks = (s.lengths - 1) // 64
    for i in range(int(blocks.max())):
        going = np.flatnonzero(blocks > i)
        state[:, going] = _block(s[going], i * 64, *state[:, going])
    x, y, z, v0, v1, w0, w1 = state
    by = _K1 + ((z & _U(0xFF)) << _U(1))
    last = s.lengths - 64
    w0 = w0 + ((s.size - _U(1)) & _U(63))
    v0 = v0 + w0
    w0 = w0 + v0
    x = _rotate(x + y + v0 + s.word(last + 8), 37) * by
    y = _rotate(y + v1 + s.word(last + 48), 42) * by
    x = x ^ (w1 * _U(9))
    y = y + v0 * _U(9) + s.word(last + 40)
    z = _rotate(z + w0, 33) * by
    v0, v1 = _weak(s, last, v1 * by, x + w0)
    w0, w1 = _weak(s, last + 32, z + w1, y + s.word(last + 16))
    return _of_two(_of_two(v0, w0, by) + _mixed(y) * _K0 + x, _of_two(v1, w1, by) + z, by)


def _block(s: _Reader, at: int, x: Array, y: Array, z: Array, *vw: Array) -> Sequence[Array]:
    v0, v1, w0, w1 = vw
    x = _rotate(x + y + v0 + s.word(at + 8), 37) * _K1
    y = _rotate(y + v1 + s.word(at + 48), 42) * _K1
    x = x ^ w1
    y = y + v0 + s.word(at + 40)
    z = _rotate(z + w0, 33) * _K1
    v = _weak(s, at, v1 * _K1, x + w0)
    w = _weak(s, at + 32, z + w1, y + s.word(at + 16))
    return z, y, x, *v, *w


_BY_LENGTH: list[tuple[int, float, Callable[[_Reader], Array]]] = [
    (0, 0, _empty),
    (1, 3, _up_to_3),
    (4, 7, _up_to_7),
    (8, 16, _up_to_16),
    (17, 32, _up_to_32),
    (33, 64, _up_to_64),
    (65, float("inf"), _longer),
]


def siphash(strings: Strings, key: Sequence[int]) -> Array:
    """SipHash-2-4 of each string, with two numbers of 64 bits as the key."""
    k0, k1 = (_U(part % 2**64) for part in key)
    s = _Reader(strings.buffer, strings.starts, strings.lengths)
    constants = (0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573)
    state = [np.full(len(strings), _U(c) ^ k) for c, k in zip(constants, (k0, k1, k0, k1), strict=True)]
    words = strings.lengths // WORD
    rest = strings.lengths % WORD
    with np.errstate(over="ignore"):
        for i in range(int(words.max(initial=0))):
            going = np.flatnonzero(words > i)
            parts = [x[going] for x in state]
            _absorb(parts, s[going].word(i * WORD))
            for x, part in zip(state, parts, strict=True):
                x[going] = part
        # The last word: what is left, and the length in its highest byte.
        mask = (_U(1) << (rest.astype(np.uint64) * _U(8))) - _U(1)
        _absorb(state, (s.word(words * WORD) & mask) | (s.size << _U(56)))
        state[2] ^= _U(0xFF)
        for _ in range(4):
            _round(state)
    a, b, c, d = state
    return a ^ b ^ c ^ d


def _absorb(state: list[Array], word: Array) -> None:
    state[3] ^= word
    _round(state)
    _round(state)
    state[0] ^= word


def _round(state: list[Array]) -> None:
    a, b, c, d = state
    a += b
    c += d
    b = _rotate(b, 64 - 13)
    b ^= a
    d = _rotate(d, 64 - 16)
    d ^= c
    a = _rotate(a, 32)
    c += b
    a += d
    b = _rotate(b, 64 - 17)
    b ^= c
    d = _rotate(d, 64 - 21)
    d ^= a
    state[:] = a, b, _rotate(c, 32), d


def bins(hashes: Array, count: int) -> Array:
    """In which of so many bins hashes are."""
    by = _U(count)
    # NumPy divides by one number faster than it takes remainders.
    return (hashes - hashes // by * by).view(np.int64)


def crossed(columns: Sequence[Array]) -> Array:
    """One hash of several columns' numbers in each row, as TensorFlow's `sparse.cross_hashed` has it."""
    result = np.full(columns[0].shape, 0xDECAFCAFFE, np.uint64)
    by = _U(0xC6A4A7935BD1E995)
    with np.errstate(over="ignore"):
        for column in columns:
            result = (result ^ by) ^ (_mixed(column.view(np.uint64) * by) * by)
            result = _mixed(_mixed(result * by) * by)
    return result


def decimals(values: Array) -> Strings:
    """Integers, flat, as they are written."""
    negative = values < 0
    bits = values.astype(np.uint64) if values.dtype.kind == "u" else values.astype(np.int64).view(np.uint64)
    with np.errstate(over="ignore"):
        left = np.where(negative, -bits, bits)
    lengths = np.ones(len(values), np.int64)
    largest = int(left.max(initial=0))
    for digits in range(1, len(str(largest))):
        lengths += left >= _U(10**digits)
    written = new_buffer(len(values) * _DIGITS)
    fours = written[: len(values) * _DIGITS].view(np.uint32).reshape(len(values), _DIGITS // 4)
    for column in range(_DIGITS // 4 - 1, -1, -1):
        higher = left // _U(10**4)
        fours[:, column] = _FOURS.take((left - higher * _U(10**4)).view(np.int64))
        left = higher
        largest //= 10**4
        if not largest:
            break
    lengths += negative
    starts = np.arange(1, len(values) + 1) * _DIGITS - lengths
    written[starts[negative]] = ord("-")
    return Strings(written, starts, lengths)
