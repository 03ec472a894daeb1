"""Convolution and pooling, made of slices, products of matrices and maxima.

PyTensor has no convolution over channels. What all windows see at one place of a window is a slice; the slices of all
places side by side make a convolution one product of matrices.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytensor.tensor as pt

from kerasflow.primitives.convolution import Pairs, Sizes, margins, output_sizes, windows
from kerasflow.primitives.pooling import lowest
from kerasflow_pytensor.dtypes import Lowering, Tensor, constant, zeros

Seen = tuple[slice, ...]


def _shape(x: Tensor) -> tuple[int, ...]:
    return tuple(x.type.shape)


def pad(x: Tensor, padding: Pairs, value: Any = 0) -> Tensor:
    """x with its spatial axes padded, or cut where the padding is negative."""
    if all(pair == (0, 0) for pair in padding):
        return x
    cut, widths = margins(_shape(x), padding)
    x = x[cut]
    inside = tuple(slice(before, before + n) for n, (before, _) in zip(_shape(x), widths, strict=True))
    shape = [n + sum(pair) for n, pair in zip(_shape(x), widths, strict=True)]
    return pt.set_subtensor(pt.alloc(constant(value, x.dtype), *shape)[inside], x)


def unpad(x: Tensor, padding: Pairs) -> Tensor:
    """What `pad` takes back."""
    return pad(x, tuple((-before, -behind) for before, behind in padding))


# -- convolution --------------------------------------------------------------------------------------------


def _patches(x: Tensor, seen: list[Seen], groups: int) -> Tensor:
    """What each window sees, as rows: an array (groups, windows, places * channels of a group)."""
    channels = _shape(x)[-1] // groups
    parts = [x[(slice(None), *place)] for place in seen]
    count = math.prod(_shape(parts[0])[:-1])
    found = pt.stack([part.reshape((count, groups, channels)) for part in parts], axis=2)
    return _by_group(found).reshape((groups, count, len(seen) * channels))


def _by_group(x: Tensor) -> Tensor:
    """The second axis, the groups, in front."""
    return x.dimshuffle(1, 0, *range(2, x.ndim))


def _rows(y: Tensor, groups: int) -> Tensor:
    """A result as an array (groups, windows, filters of a group)."""
    return _by_group(y.reshape((math.prod(_shape(y)[:-1]), groups, _shape(y)[-1] // groups)))


def _matrices(kernel: Tensor, groups: int) -> Tensor:
    """A kernel as an array (groups, places * channels of a group, filters of a group)."""
    *window, channels, filters = _shape(kernel)
    return _by_group(kernel.reshape((math.prod(window) * channels, groups, filters // groups)))


def _product(x: Tensor, y: Tensor) -> Tensor:
    """Of two stacks of matrices; a stack of one is a matrix."""
    if _shape(x)[0] == 1:
        return pt.dot(x[0], y[0])[None]
    return pt.matmul(x, y)


def _seen(sizes: Sizes, window: Sizes, params: dict[str, Any]) -> list[Seen]:
    return [seen for _, seen in windows(window, params["strides"], params["dilation"], sizes)]


def _convolution(x: Tensor, kernel: Tensor, **params: Any) -> Tensor:
    window, groups = _shape(kernel)[:-2], params["groups"]
    strides, padding, dilation = params["strides"], params["padding"], params["dilation"]
    outputs = output_sizes(_shape(x)[1:-1], window, strides, padding, dilation)
    patches = _patches(pad(x, padding), _seen(outputs, window, params), groups)
    y = _product(patches, _matrices(kernel, groups))
    return _by_group(y).reshape((_shape(x)[0], *outputs, _shape(kernel)[-1]))


def _convolution_transpose(y: Tensor, kernel: Tensor, sizes: Sizes, **params: Any) -> Tensor:
    *window, channels, _ = _shape(kernel)
    groups, padding, outputs = params["groups"], params["padding"], _shape(y)[1:-1]
    spread = _product(_rows(y, groups), _matrices(kernel, groups).dimshuffle(0, 2, 1))
    places = math.prod(window)
    spread = spread.reshape((groups, math.prod(_shape(y)[:-1]), places, channels)).dimshuffle(2, 1, 0, 3)
    spread = spread.reshape((places, _shape(y)[0], *outputs, groups * channels))
    padded = [max(n + before + behind, 0) for n, (before, behind) in zip(sizes, padding, strict=True)]
    x = zeros((_shape(y)[0], *padded, groups * channels), y.dtype)
    for i, seen in enumerate(_seen(outputs, tuple(window), params)):
        x = pt.inc_subtensor(x[(slice(None), *seen)], spread[i])
    return unpad(x, padding)


def _convolution_kernel(x: Tensor, y: Tensor, sizes: Sizes, **params: Any) -> Tensor:
    groups, channels, filters = params["groups"], _shape(x)[-1] // params["groups"], _shape(y)[-1]
    patches = _patches(pad(x, params["padding"]), _seen(_shape(y)[1:-1], sizes, params), groups)
    kernel = _product(patches.dimshuffle(0, 2, 1), _rows(y, groups))
    return _by_group(kernel).reshape((*sizes, channels, filters))


# -- pooling ------------------------------------------------------------------------------------------------


def _parts(x: Tensor, window: Sizes, strides: Sizes, padding: Pairs) -> list[tuple[Seen, Tensor]]:
    """For each place in a window its spatial slices and what lies there."""
    ones = (1,) * len(window)
    sizes = output_sizes(_shape(x)[1:-1], window, strides, padding, ones)
    x = pad(x, padding, lowest(np.dtype(x.dtype)))
    return [(seen, x[(slice(None), *seen)]) for _, seen in windows(window, strides, ones, sizes)]


def _max_pool(x: Tensor, window: Sizes, strides: Sizes, padding: Pairs) -> Tensor:
    (_, y), *others = _parts(x, window, strides, padding)
    for _, part in others:
        y = pt.maximum(y, part)
    return y


def _firsts(x: Tensor, window: Sizes, strides: Sizes, padding: Pairs) -> Iterator[tuple[Seen, Tensor]]:
    """For each place in a window its slices, and where it holds the first of the largest; a NaN is the largest."""
    y = _max_pool(x, window, strides, padding)
    found: Tensor = None
    for seen, part in _parts(x, window, strides, padding):
        here = pt.or_(pt.eq(part, y), pt.isnan(part))
        yield seen, here if found is None else pt.and_(here, pt.invert(found))
        found = here if found is None else pt.or_(found, here)


def _max_pool_vjp(x: Tensor, g: Tensor, window: Sizes, strides: Sizes, padding: Pairs) -> Tensor:
    spatial = [n + sum(pair) for n, pair in zip(_shape(x)[1:-1], padding, strict=True)]
    total = zeros((_shape(x)[0], *spatial, _shape(x)[-1]), g.dtype)
    for seen, here in _firsts(x, window, strides, padding):
        total = pt.inc_subtensor(total[(slice(None), *seen)], pt.switch(here, g, constant(0, g.dtype)))
    return unpad(total, padding)


def _max_pool_take(x: Tensor, values: Tensor, window: Sizes, strides: Sizes, padding: Pairs) -> Tensor:
    result: Tensor = constant(0, values.dtype)
    parts = _parts(values, window, strides, padding)
    for (_, here), (_, part) in zip(_firsts(x, window, strides, padding), parts, strict=True):
        result = pt.switch(here, part, result)
    return result


POOLING: dict[str, tuple[Lowering, str]] = {
    "max_pool": (_max_pool, "f"),
    "max_pool_vjp": (_max_pool_vjp, "f"),
    "max_pool_take": (_max_pool_take, "f"),
}

NATIVE: dict[str, tuple[Lowering, str]] = {
    "convolution": (_convolution, "f"),
    "convolution_transpose": (_convolution_transpose, "f"),
    "convolution_kernel": (_convolution_kernel, "f"),
    **POOLING,
}
