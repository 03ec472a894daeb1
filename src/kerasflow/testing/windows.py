"""The specs of the primitives that look at windows: convolution, pooling."""

from __future__ import annotations

from typing import Any

from kerasflow.primitives.convolution import output_sizes
from kerasflow.testing.spec import FLOATS, Operand, OpSpec

# spatial shape, window, strides, padding, dilation, channels, filters, groups
_CONVOLUTIONS: tuple[tuple[Any, ...], ...] = (
    ((7,), (3,), (1,), ((0, 0),), (1,), 2, 3, 1),
    ((5, 6), (3, 2), (1, 1), ((1, 1), (0, 1)), (1, 1), 2, 4, 2),
    ((6, 5), (2, 3), (2, 3), ((0, 0), (2, 1)), (1, 1), 3, 2, 1),
    ((7, 6), (2, 2), (1, 2), ((0, 1), (0, 0)), (3, 2), 2, 2, 1),
    ((4, 4), (1, 1), (1, 1), ((0, 0), (0, 0)), (1, 1), 3, 4, 1),
    ((5, 5), (1, 1), (2, 2), ((0, 0), (0, 0)), (1, 1), 9, 2, 1),
    ((5, 5), (3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1), 3, 3, 3),
    ((5, 4), (2, 2), (2, 1), ((0, 1), (1, 0)), (1, 1), 2, 4, 2),
    ((6, 6), (2, 2), (1, 1), ((-1, 0), (1, -2)), (1, 1), 2, 2, 1),
    ((3, 4, 3), (2, 2, 2), (1, 2, 1), ((0, 0), (1, 0), (0, 1)), (1, 1, 1), 2, 2, 1),
)
# spatial shape, window, strides, padding
_POOLS: tuple[tuple[Any, ...], ...] = (
    ((6,), (2,), (2,), ((0, 0),)),
    ((4, 6), (2, 3), (2, 3), ((0, 0), (0, 0))),
    ((4, 3), (1, 3), (1, 3), ((0, 0), (0, 0))),
    ((5, 5), (3, 3), (2, 2), ((1, 1), (0, 1))),
    ((5, 4), (2, 2), (1, 1), ((0, 0), (0, 0))),
    ((4, 2, 4), (2, 2, 2), (2, 2, 2), ((0, 0),) * 3),
)


def _convolution(case: tuple[Any, ...]) -> list[OpSpec]:
    sizes, window, strides, padding, dilation, channels, filters, groups = case
    outputs = output_sizes(sizes, window, strides, padding, dilation)
    x = Operand((2, *sizes, channels))
    y = Operand((2, *outputs, filters))
    kernel = Operand((*window, channels // groups, filters))
    params = {"strides": strides, "padding": padding, "dilation": dilation, "groups": groups}
    common: dict[str, Any] = {"differentiable": (0, 1), "tolerance": 1e-5, "backend_tolerance": 64.0}
    return [
        OpSpec("convolution", (x, kernel), params, FLOATS, **common),
        OpSpec("convolution_transpose", (y, kernel), {**params, "sizes": sizes}, FLOATS, **common),
        OpSpec("convolution_kernel", (x, y), {**params, "sizes": window}, FLOATS, **common),
    ]


def _pool(case: tuple[Any, ...]) -> list[OpSpec]:
    sizes, window, strides, padding = case
    ones = (1,) * len(window)
    x = Operand((2, *sizes, 2))
    y = Operand((2, *output_sizes(sizes, window, strides, padding, ones), 2))
    params = {"window": window, "strides": strides, "padding": padding}
    return [
        OpSpec("max_pool", (x,), params, FLOATS, (0,)),
        OpSpec("max_pool_vjp", (x, y), params, FLOATS, (1,)),
        OpSpec("max_pool_take", (x, x), params, FLOATS, (1,)),
    ]


SPECS: tuple[OpSpec, ...] = (
    *(spec for case in _CONVOLUTIONS for spec in _convolution(case)),
    *(spec for case in _POOLS for spec in _pool(case)),
)
