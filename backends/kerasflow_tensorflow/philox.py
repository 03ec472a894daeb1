"""Philox4x64-10 in TensorFlow's integers: the same bits as NumPy's, see `kerasflow.primitives.random`.

Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC11.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import tensorflow as tf

from kerasflow_tensorflow.dtypes import Lowering, Tensor

ROUNDS = 10
# The multipliers of the first and the third word, and what the two words of the key grow by in each round.
_MULTIPLIERS = (0xD2E7470EE14C6C93, 0xCA5A826395121157)
_KEY_STEPS = (0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B)
# Counters are computed in powers of two, this many at least, so that few sizes are ever compiled.
_LEAST = 256


def _u64(number: int) -> Tensor:
    return tf.constant(np.uint64(number))


def _high(x: Tensor, multiplier: int) -> Tensor:
    """The upper 64 bits of the 128 of a product, from products of halves."""
    half, mask = _u64(32), _u64(0xFFFFFFFF)
    shift, both = tf.bitwise.right_shift, tf.bitwise.bitwise_and
    low, high = _u64(multiplier & 0xFFFFFFFF), _u64(multiplier >> 32)
    x_low, x_high = both(x, mask), shift(x, half)
    middle = x_high * low + shift(x_low * low, half)
    other = x_low * high + both(middle, mask)
    return x_high * high + shift(middle, half) + shift(other, half)


def _round(a: Tensor, b: Tensor, c: Tensor, d: Tensor, key: Tensor, other: Tensor) -> tuple[Tensor, ...]:
    """One round of the four words and the two of the key."""
    first, second = _MULTIPLIERS
    mix = tf.bitwise.bitwise_xor
    return (
        mix(mix(_high(c, second), b), key),
        c * _u64(second),
        mix(mix(_high(a, first), d), other),
        a * _u64(first),
        key + _u64(_KEY_STEPS[0]),
        other + _u64(_KEY_STEPS[1]),
    )


# XLA makes one pass of a round's forty operations; a loop, since it would compile ten rounds in a row for seconds.
@tf.function(autograph=False, jit_compile=True)
def _words(key: Tensor, counters: Tensor) -> Tensor:
    """The four words of each counter (whose other three words are 0), as an array (counters, 4)."""
    zero = tf.zeros_like(counters)
    _, *words = tf.while_loop(
        lambda i, *_: i < ROUNDS,
        lambda i, *words: (i + 1, *_round(*words)),
        (tf.constant(0), counters, zero, zero, zero, key[0], key[1]),
    )
    return tf.stack(words[:4], axis=-1)


def _random_bits(seed: Tensor, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Tensor:
    return random_bytes(seed, 0, shape, dtype)


def random_bytes(seed: Tensor, begin: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Tensor:
    """A seed's stream from byte `begin` on, a multiple of the dtype's size, as an array."""
    count = math.prod(shape)
    first, inside = divmod(begin, 32)  # four words of 64 bits a counter
    inside //= dtype.itemsize
    needed = -(-(inside + count) * dtype.itemsize // 32)
    counters = max(_LEAST, 1 << (needed - 1).bit_length())
    places = tf.range(first + 1, first + counters + 1, dtype=tf.int64)
    words = _words(tf.cast(seed, tf.uint64), tf.cast(places, tf.uint64))[:needed]
    words = tf.reshape(words, [-1])
    bits = words if dtype == np.uint64 else tf.reshape(tf.bitcast(words, dtype), [-1])
    return tf.reshape(bits[inside : inside + count], shape)


def _gamma_grad(alpha: Tensor, x: Tensor) -> Tensor:
    """As `kerasflow.primitives.random.random_gamma_grad`, which says how."""
    shape = tf.broadcast_dynamic_shape(tf.shape(alpha), tf.shape(x))
    a, z = (tf.broadcast_to(tf.cast(v, tf.float64), shape) for v in (alpha, x))
    step = 1e-4 * tf.sqrt(a) * tf.minimum(tf.constant(1, tf.float64), tf.sqrt(a))
    lower = z < a

    def tail(a: Tensor) -> Tensor:
        return tf.where(lower, -tf.math.igamma(a, z), tf.math.igammac(a, z))

    density = tf.exp((a - 1) * tf.math.log(z) - z - tf.math.lgamma(a))
    found = (tail(a + step) - tail(a - step)) / (2 * step * density)
    root = tf.pow(z / a, 1 / 3)
    normal = 3 * tf.sqrt(a) * (root - 1 + 1 / (9 * a))
    large = tf.pow(root, 3) + 3 * a * root * root * (1 / (9 * a * a) - normal / (6 * tf.pow(a, 1.5)))
    return tf.cast(tf.where(a < 1e5, found, large), alpha.dtype)


LOWERINGS: dict[str, Lowering] = {
    "random_bits": _random_bits,
    "random_gamma_grad": _gamma_grad,
}
