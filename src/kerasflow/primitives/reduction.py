"""Reductions over axes and cumulative operations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from kerasflow.graph import Primitive, ShapedArray


def reduced_shape(shape: tuple[int, ...], axis: tuple[int, ...], keepdims: bool) -> tuple[int, ...]:
    """The shape after reducing over `axis` (a tuple of non-negative axes)."""
    if keepdims:
        return tuple(1 if i in axis else n for i, n in enumerate(shape))
    return tuple(n for i, n in enumerate(shape) if i not in axis)


def _reduction(name: str, dtype: Any = None) -> Primitive:
    """A reduction over `axis` (sorted tuple of non-negative axes) that keeps x's dtype, or gives `dtype`."""
    function: Callable[..., Any] = getattr(np, name)

    def evaluate(x: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
        if dtype is None and name in ("sum", "prod"):
            return function(x, axis=axis, keepdims=keepdims, dtype=x.dtype)
        return function(x, axis=axis, keepdims=keepdims)

    def rule(x: ShapedArray, axis: tuple[int, ...], keepdims: bool) -> ShapedArray:
        if name in ("max", "min") and any(x.shape[i] == 0 for i in axis):
            raise ValueError(f"zero-size array of shape {x.shape} to {name}, which has no identity")
        return ShapedArray(reduced_shape(x.shape, axis, keepdims), np.dtype(dtype) if dtype else x.dtype)

    return Primitive(name, evaluate, rule)


def _arg_reduction(name: str) -> Primitive:
    """argmax/argmin along one axis; the result are places, which NumPy tells in its own integers."""
    function: Callable[..., Any] = getattr(np, name)

    def evaluate(x: Any, axis: int) -> Any:
        return function(x, axis=axis)

    def rule(x: ShapedArray, axis: int) -> ShapedArray:
        if x.shape[axis] == 0:
            raise ValueError(f"attempt to get {name} of an empty sequence of shape {x.shape}")
        return ShapedArray(reduced_shape(x.shape, (axis,), False), np.dtype(np.intp))

    return Primitive(name, evaluate, rule)


def _cumulative(name: str) -> Primitive:
    function: Callable[..., Any] = getattr(np, name)
    return Primitive(name, lambda x, axis: function(x, axis=axis, dtype=x.dtype), lambda x, axis: x)


PRIMITIVES: tuple[Primitive, ...] = (
    _reduction("sum"),
    _reduction("prod"),
    _reduction("max"),
    _reduction("min"),
    _reduction("any", np.bool_),
    _reduction("all", np.bool_),
    _arg_reduction("argmax"),
    _arg_reduction("argmin"),
    _cumulative("cumsum"),
    _cumulative("cumprod"),
)
