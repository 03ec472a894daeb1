"""Max pooling and its derivatives; of several largest elements the first counts, a NaN is the largest.

TensorFlow's own kernels where they mean that: up to two spatial axes, floating point, no NaN. The rest place by place
of the window.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from kerasflow.primitives.convolution import Pairs, Sizes, output_sizes, windows
from kerasflow.primitives.pooling import lowest
from kerasflow_tensorflow.dtypes import Lowering, Tensor, numpy_dtype
from kerasflow_tensorflow.places import pad, padding_name, spread, unpad
from kerasflow_tensorflow.sizes import shape

Seen = tuple[slice, ...]


def _parts(x: Tensor, window: Sizes, strides: Sizes, padding: Pairs) -> list[tuple[Seen, Tensor]]:
    """For each place in a window its spatial slices and what lies there."""
    ones = (1,) * len(window)
    sizes = output_sizes(tuple(x.shape[1:-1]), window, strides, padding, ones)
    x = pad(x, padding, lowest(numpy_dtype(x)))
    return [(seen, x[(slice(None), *seen)]) for _, seen in windows(window, strides, ones, sizes)]


def _isnan(x: Tensor) -> Tensor:
    return tf.math.is_nan(x) if x.dtype.is_floating else tf.zeros(tf.shape(x), tf.bool)


def _kernel(x: Tensor, window: Sizes, strides: Sizes, padding: Pairs) -> tuple[Tensor, dict[str, Any]] | None:
    """The input and the options of TensorFlow's kernels, if they can do it: two spatial axes, padding by name."""
    sizes, ones = tuple(x.shape[1:-1]), (1,) * len(window)
    if len(window) > 2 or not x.dtype.is_floating or 0 in x.shape:
        return None
    name = padding_name(sizes, window, strides, padding, ones)
    if name is None:
        x = pad(x, padding, lowest(numpy_dtype(x)))
    if any(n < k for n, k in zip(x.shape[1:-1], window, strict=True)):
        return None
    more = (1,) * (2 - len(window))
    options = {
        "ksize": [1, *more, *window, 1],
        "strides": [1, *more, *strides, 1],
        "padding": name or "VALID",
    }
    return tf.reshape(x, [shape(x)[0], *more, *x.shape[1:]]), options


def _if_nan(x: Tensor, then: Callable[[], Tensor], otherwise: Callable[[], Tensor]) -> Tensor:
    """TensorFlow's kernels lose NaNs, or not, by their order."""
    return tf.cond(tf.reduce_any(tf.math.is_nan(x)), then, otherwise)


def _max_pool(x: Tensor, window: Sizes, strides: Sizes, padding: Pairs) -> Tensor:
    kernel = _kernel(x, window, strides, padding)
    if kernel is None:
        return _max_by_place(x, window, strides, padding)
    prepared, options = kernel
    y = tf.raw_ops.MaxPool(input=prepared, **options)
    sizes = output_sizes(tuple(x.shape[1:-1]), window, strides, padding, (1,) * len(window))
    wanted = [shape(x)[0], *sizes, x.shape[-1]]
    return _if_nan(x, lambda: _max_by_place(x, window, strides, padding), lambda: tf.reshape(y, wanted))


def _max_pool_vjp(x: Tensor, g: Tensor, window: Sizes, strides: Sizes, padding: Pairs) -> Tensor:
    kernel = _kernel(x, window, strides, padding)
    if kernel is None:
        return _vjp_by_place(x, g, window, strides, padding)
    prepared, options = kernel
    # TensorFlow finds that the forward pass has computed it.
    y = tf.raw_ops.MaxPool(input=prepared, **options)

    def by_kernel() -> Tensor:
        found = tf.raw_ops.MaxPoolGrad(
            orig_input=prepared, orig_output=y, grad=tf.reshape(g, shape(y)), **options
        )
        named = options["padding"] == "SAME"
        sizes = [n if named else n + sum(pair) for n, pair in zip(x.shape[1:-1], padding, strict=True)]
        found = tf.reshape(found, [shape(x)[0], *sizes, x.shape[-1]])
        return found if named else unpad(found, padding)

    return _if_nan(x, lambda: _vjp_by_place(x, g, window, strides, padding), by_kernel)


# -- place by place -----------------------------------------------------------------------------------------


def _max_by_place(x: Tensor, window: Sizes, strides: Sizes, padding: Pairs) -> Tensor:
    parts = [part for _, part in _parts(x, window, strides, padding)]
    y = tf.reduce_max(tf.stack(parts), axis=0)
    if not x.dtype.is_floating:
        return y
    missing = tf.reduce_any(tf.stack([_isnan(part) for part in parts]), axis=0)
    return tf.where(missing, tf.constant(np.nan, x.dtype), y)


def _firsts(x: Tensor, window: Sizes, strides: Sizes, padding: Pairs) -> Iterator[tuple[Seen, Tensor]]:
    """For each place in a window its slices, and where it holds the first of the largest."""
    y = _max_by_place(x, window, strides, padding)
    waiting = tf.ones(tf.shape(y), tf.bool)
    for seen, part in _parts(x, window, strides, padding):
        here = waiting & ((part == y) | _isnan(part))
        waiting &= ~here
        yield seen, here


def _vjp_by_place(x: Tensor, g: Tensor, window: Sizes, strides: Sizes, padding: Pairs) -> Tensor:
    spatial = [n + sum(pair) for n, pair in zip(x.shape[1:-1], padding, strict=True)]
    wanted = [shape(x)[0], *spatial, x.shape[-1]]
    total = tf.zeros(wanted, g.dtype)
    for seen, here in _firsts(x, window, strides, padding):
        total += spread(wanted, seen, tf.where(here, g, tf.zeros_like(g)))
    return unpad(total, padding)


def _max_pool_take(x: Tensor, values: Tensor, window: Sizes, strides: Sizes, padding: Pairs) -> Tensor:
    parts = [part for _, part in _parts(values, window, strides, padding)]
    result = tf.zeros_like(parts[0])
    for (_, here), part in zip(_firsts(x, window, strides, padding), parts, strict=True):
        result = tf.where(here, part, result)
    return result


LOWERINGS: dict[str, Lowering] = {
    "max_pool": _max_pool,
    "max_pool_vjp": _max_pool_vjp,
    "max_pool_take": _max_pool_take,
}
