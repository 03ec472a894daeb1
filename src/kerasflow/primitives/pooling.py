"""The largest element of each window, with any number of spatial axes, and its derivative.

Arrays are channels-last, `(samples, *spatial, channels)`. The parameters are the
same for all primitives: `window` and `strides`, a number for each spatial axis,
and `padding`, for each a pair of how much is put before and behind; padding is
never the largest. Of several largest elements the first counts, in C order.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kerasflow.graph import Primitive, ShapedArray
from kerasflow.primitives.convolution import Pairs, Sizes, output_sizes, pad, windows


def lowest(dtype: np.dtype[Any]) -> Any:
    """What is never larger than an element."""
    if dtype.kind in "iu":
        return np.iinfo(dtype).min
    return np.array(-np.inf, dtype)


def _parts(x: Any, window: Sizes, strides: Sizes, padding: Pairs) -> tuple[list[Any], Any]:
    """The slices of the spatial axes that all windows see, place by place, and x padded."""
    ones = (1,) * len(window)
    sizes = output_sizes(x.shape[1:-1], window, strides, padding, ones)
    parts = [(slice(None), *seen) for _, seen in windows(window, strides, ones, sizes)]
    return parts, pad(x, padding, lowest(x.dtype))


def _max_pool(x: Any, window: Sizes, strides: Sizes, padding: Pairs) -> Any:
    parts, x = _parts(x, window, strides, padding)
    y = np.array(x[parts[0]])
    for part in parts[1:]:
        np.maximum(y, x[part], out=y)
    return y


def _firsts(x: Any, window: Sizes, strides: Sizes, padding: Pairs) -> Any:
    """For each place in a window its slices, and where it holds the first of the largest."""
    parts, x = _parts(x, window, strides, padding)
    y = _max_pool(x, window, strides, ((0, 0),) * len(window))
    waiting = np.ones(y.shape, bool)
    for part in parts:
        here = waiting & ((x[part] == y) | np.isnan(x[part]))
        waiting &= ~here
        yield part, here


def _max_pool_vjp(x: Any, g: Any, window: Sizes, strides: Sizes, padding: Pairs) -> Any:
    padded = [n + sum(pair) for n, pair in zip(x.shape[1:-1], padding, strict=True)]
    result = np.zeros((len(x), *padded, x.shape[-1]), g.dtype)
    for part, here in _firsts(x, window, strides, padding):
        result[part] += np.where(here, g, 0).astype(g.dtype)
    return pad(result, tuple((-a, -b) for a, b in padding))


def _max_pool_take(x: Any, values: Any, window: Sizes, strides: Sizes, padding: Pairs) -> Any:
    _, values = _parts(values, window, strides, padding)
    result: Any = None
    for part, here in _firsts(x, window, strides, padding):
        result = np.zeros(here.shape, values.dtype) if result is None else result
        np.copyto(result, values[part], where=here)
    return result


def _rule(x: ShapedArray, window: Sizes, strides: Sizes, padding: Pairs) -> ShapedArray:
    spatial = x.ndim - 2
    if spatial < 1 or any(len(p) != spatial for p in (window, strides, padding)):
        raise ValueError(f"max_pool: a window, stride and padding for each spatial axis of {x}")
    sizes = output_sizes(x.shape[1:-1], window, strides, padding, (1,) * spatial)
    return ShapedArray((x.shape[0], *sizes, x.shape[-1]), x.dtype)


def _vjp_rule(x: ShapedArray, g: ShapedArray, **params: Any) -> ShapedArray:
    if _rule(x, **params).shape != g.shape:
        raise ValueError(f"max_pool_vjp: a cotangent {g} does not fit an input {x}")
    return ShapedArray(x.shape, g.dtype)


def _take_rule(x: ShapedArray, values: ShapedArray, **params: Any) -> ShapedArray:
    if x.shape != values.shape:
        raise ValueError(f"max_pool_take: values {values} do not fit an input {x}")
    return ShapedArray(_rule(x, **params).shape, values.dtype)


# x -> y
max_pool = Primitive("max_pool", _max_pool, _rule)
# (x, g) -> g's elements at the places of x that the windows took
max_pool_vjp = Primitive("max_pool_vjp", _max_pool_vjp, _vjp_rule)
# (x, values) -> the values at the places of x that the windows took
max_pool_take = Primitive("max_pool_take", _max_pool_take, _take_rule)

PRIMITIVES: tuple[Primitive, ...] = (max_pool, max_pool_vjp, max_pool_take)
