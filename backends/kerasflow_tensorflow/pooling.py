"""Max pooling and its derivatives; of several largest elements the first counts, a NaN is the largest."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from kerasflow.primitives.convolution import Pairs, Sizes, output_sizes, windows
from kerasflow.primitives.pooling import lowest
from kerasflow_tensorflow.dtypes import Lowering, Tensor, numpy_dtype
from kerasflow_tensorflow.places import pad, spread, unpad

Seen = tuple[slice, ...]


def _parts(
    x: Tensor, window: Sizes, strides: Sizes, padding: Pairs
) -> tuple[list[tuple[Seen, Tensor]], Tensor]:
    """For each place in a window its spatial slices and what lies there; and x padded."""
    ones = (1,) * len(window)
    sizes = output_sizes(tuple(x.shape[1:-1]), window, strides, padding, ones)
    x = pad(x, padding, lowest(numpy_dtype(x)))
    return [(seen, x[(slice(None), *seen)]) for _, seen in windows(window, strides, ones, sizes)], x


def _isnan(x: Tensor) -> Tensor:
    return tf.math.is_nan(x) if x.dtype.is_floating else tf.zeros(x.shape, tf.bool)


def _max_pool(x: Tensor, window: Sizes, strides: Sizes, padding: Pairs) -> Tensor:
    parts = [part for _, part in _parts(x, window, strides, padding)[0]]
    y = tf.reduce_max(tf.stack(parts), axis=0)
    if not x.dtype.is_floating:
        return y
    missing = tf.reduce_any(tf.stack([_isnan(part) for part in parts]), axis=0)
    return tf.where(missing, tf.constant(np.nan, x.dtype), y)


def _firsts(x: Tensor, window: Sizes, strides: Sizes, padding: Pairs) -> Iterator[tuple[Seen, Tensor]]:
    """For each place in a window its slices, and where it holds the first of the largest."""
    y = _max_pool(x, window, strides, padding)
    waiting = tf.ones(y.shape, tf.bool)
    for seen, part in _parts(x, window, strides, padding)[0]:
        here = waiting & ((part == y) | _isnan(part))
        waiting &= ~here
        yield seen, here


def _max_pool_vjp(x: Tensor, g: Tensor, window: Sizes, strides: Sizes, padding: Pairs) -> Tensor:
    spatial = [n + sum(pair) for n, pair in zip(x.shape[1:-1], padding, strict=True)]
    shape = [x.shape[0], *spatial, x.shape[-1]]
    total = tf.zeros(shape, g.dtype)
    for seen, here in _firsts(x, window, strides, padding):
        total += spread(shape, seen, tf.where(here, g, tf.zeros_like(g)))
    return unpad(total, padding)


def _max_pool_take(x: Tensor, values: Tensor, window: Sizes, strides: Sizes, padding: Pairs) -> Tensor:
    parts = [part for _, part in _parts(values, window, strides, padding)[0]]
    result = tf.zeros_like(parts[0])
    for (_, here), part in zip(_firsts(x, window, strides, padding), parts, strict=True):
        result = tf.where(here, part, result)
    return result


LOWERINGS: dict[str, Lowering] = {
    "max_pool": _max_pool,
    "max_pool_vjp": _max_pool_vjp,
    "max_pool_take": _max_pool_take,
}
