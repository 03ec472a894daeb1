"""Convolution with any number of spatial axes, and its two derivatives.

Convolution is linear in each of its operands. The primitives are it and its
transposes with respect to either; the derivative of each is made of the other two.

Arrays are channels-last: `x` is `(samples, *spatial, channels)`, `y`, a result,
`(samples, *spatial, filters)`, a kernel `(*window, channels // groups, filters)`.
The parameters are the same for all three: `strides` and `dilation`, a number for
each spatial axis, `padding`, for each a pair of how much is put before and behind
(cut off, if negative), and `groups`, into which channels and filters are divided.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from kerasflow.graph import Primitive, ShapedArray

Pairs = tuple[tuple[int, int], ...]
Sizes = tuple[int, ...]


def output_sizes(sizes: Sizes, window: Sizes, strides: Sizes, padding: Pairs, dilation: Sizes) -> Sizes:
    """The spatial shape of a convolution's result."""
    return tuple(
        max((n + before + behind - (k - 1) * d - 1) // s + 1, 0)
        for n, k, s, (before, behind), d in zip(sizes, window, strides, padding, dilation, strict=True)
    )


def margins(shape: Sequence[int], padding: Pairs) -> tuple[tuple[slice, ...], list[tuple[int, int]]]:
    """What padding spatial axes leaves of an array, negative padding cut off, and what it then adds to each axis."""
    pairs = ((0, 0), *padding, (0, 0))
    cut = tuple(
        slice(max(-before, 0), n - max(-behind, 0)) for n, (before, behind) in zip(shape, pairs, strict=True)
    )
    return cut, [(max(before, 0), max(behind, 0)) for before, behind in pairs]


def pad(x: Any, padding: Pairs, value: Any = 0) -> Any:
    """x with its spatial axes padded, or cut where the padding is negative."""
    if all(pair == (0, 0) for pair in padding):
        return x
    cut, widths = margins(x.shape, padding)
    return np.pad(x[cut], widths, constant_values=value)


def windows(window: Sizes, strides: Sizes, dilation: Sizes, sizes: Sizes) -> Iterator[tuple[Sizes, Any]]:
    """For each place in a window its index, and what of a padded array all windows see there: spatial slices."""
    for place in itertools.product(*map(range, window)):
        yield (
            place,
            tuple(
                slice(k * d, k * d + (n - 1) * s + 1, s)
                for k, d, s, n in zip(place, dilation, strides, sizes, strict=True)
            ),
        )


def _in_single(function: Callable[..., Any]) -> Callable[..., Any]:
    """Sums of half-precision numbers are kept in single precision."""

    def evaluate(x: Any, y: Any, **params: Any) -> Any:
        dtype = x.dtype
        if dtype.itemsize > 2 or dtype.kind in "iu":
            return function(x, y, **params)
        return function(x.astype(np.float32), y.astype(np.float32), **params).astype(dtype)

    return evaluate


def grouped(x: Any, groups: int) -> Any:
    """The last axis as two: groups, and the channels of one."""
    return x.reshape(*x.shape[:-1], groups, x.shape[-1] // groups)


def _convolution(x: Any, kernel: Any, strides: Sizes, padding: Pairs, dilation: Sizes, groups: int) -> Any:
    window, filters = kernel.shape[:-2], kernel.shape[-1]
    sizes = output_sizes(x.shape[1:-1], window, strides, padding, dilation)
    x = pad(x, padding)
    y = np.zeros((len(x), *sizes, groups, filters // groups), x.dtype)
    for place, seen in windows(window, strides, dilation, sizes):
        part = grouped(x[(slice(None), *seen)], groups)
        y += np.einsum("...gc,cgf->...gf", part, grouped(kernel[place], groups), optimize=groups == 1)
    return y.reshape(*y.shape[:-2], filters)


def _convolution_transpose(
    y: Any, kernel: Any, strides: Sizes, padding: Pairs, dilation: Sizes, groups: int, sizes: Sizes
) -> Any:
    window, channels = kernel.shape[:-2], kernel.shape[-2]
    padded = [max(n + before + behind, 0) for n, (before, behind) in zip(sizes, padding, strict=True)]
    x = np.zeros((len(y), *padded, groups, channels), y.dtype)
    y = grouped(y, groups)
    for place, seen in windows(window, strides, dilation, y.shape[1:-2]):
        k = grouped(kernel[place], groups)
        x[(slice(None), *seen)] += np.einsum("...gf,cgf->...gc", y, k, optimize=groups == 1)
    return pad(x.reshape(*x.shape[:-2], groups * channels), tuple((-a, -b) for a, b in padding))


def _convolution_kernel(
    x: Any, y: Any, strides: Sizes, padding: Pairs, dilation: Sizes, groups: int, sizes: Sizes
) -> Any:
    channels, filters = x.shape[-1] // groups, y.shape[-1]
    kernel = np.zeros((*sizes, channels, groups, filters // groups), x.dtype)
    x, y = pad(x, padding), grouped(y, groups)
    for place, seen in windows(sizes, strides, dilation, y.shape[1:-2]):
        part = grouped(x[(slice(None), *seen)], groups)
        part, right = (z.reshape(-1, *z.shape[-2:]) for z in (part, y))
        kernel[place] = np.einsum("ngc,ngf->cgf", part, right, optimize=groups == 1)
    return kernel.reshape(*sizes, channels, filters)


def _fits(x: ShapedArray, y: ShapedArray, window: Sizes, channels: int, filters: int, params: Any) -> None:
    """Raise `ValueError` unless a convolution of x with such a kernel gives y."""
    spatial, groups = x.ndim - 2, params["groups"]
    listed = f"(received {x}, {y}, a window of {window}, groups={groups})"
    if spatial < 1 or y.ndim != x.ndim or len(window) != spatial or x.dtype != y.dtype:
        raise ValueError(f"convolution: the operands' shapes or dtypes do not go together {listed}")
    if any(len(params[name]) != spatial for name in ("strides", "padding", "dilation")):
        raise ValueError(f"convolution: a stride, padding and dilation for each spatial axis {listed}")
    if channels * groups != x.shape[-1] or filters % groups or filters != y.shape[-1]:
        raise ValueError(f"convolution: channels, filters and groups do not go together {listed}")
    sizes = output_sizes(x.shape[1:-1], window, params["strides"], params["padding"], params["dilation"])
    if (x.shape[0], *sizes) != y.shape[:-1]:
        raise ValueError(f"convolution: the result has the spatial shape {sizes} {listed}")


def _convolution_rule(x: ShapedArray, kernel: ShapedArray, **params: Any) -> ShapedArray:
    if x.ndim < 3 or kernel.ndim != x.ndim or len(params["strides"]) != x.ndim - 2:
        raise ValueError(f"convolution: an input {x} and a kernel {kernel} do not go together")
    window = kernel.shape[:-2]
    sizes = output_sizes(x.shape[1:-1], window, params["strides"], params["padding"], params["dilation"])
    y = ShapedArray((x.shape[0], *sizes, kernel.shape[-1]), kernel.dtype)
    _fits(x, y, window, kernel.shape[-2], kernel.shape[-1], params)
    return y


def _transpose_rule(y: ShapedArray, kernel: ShapedArray, sizes: Sizes, **params: Any) -> ShapedArray:
    x = ShapedArray((y.shape[0], *sizes, kernel.shape[-2] * params["groups"]), kernel.dtype)
    _fits(x, y, kernel.shape[:-2], kernel.shape[-2], kernel.shape[-1], params)
    return x


def _kernel_rule(x: ShapedArray, y: ShapedArray, sizes: Sizes, **params: Any) -> ShapedArray:
    channels = x.shape[-1] // params["groups"]
    _fits(x, y, sizes, channels, y.shape[-1], params)
    return ShapedArray((*sizes, channels, y.shape[-1]), x.dtype)


# (x, kernel) -> y
convolution = Primitive("convolution", _in_single(_convolution), _convolution_rule)
# (y, kernel) -> x: every element of y spread over the window it was made from; `sizes` is x's spatial shape.
convolution_transpose = Primitive(
    "convolution_transpose", _in_single(_convolution_transpose), _transpose_rule
)
# (x, y) -> kernel: the correlation of the two; `sizes` is the window.
convolution_kernel = Primitive("convolution_kernel", _in_single(_convolution_kernel), _kernel_rule)

PRIMITIVES: tuple[Primitive, ...] = (convolution, convolution_transpose, convolution_kernel)
