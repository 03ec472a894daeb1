"""Functions of each number: of one tensor, and of two that may be dense."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from kerasflow.sparse.places import added, flat, grouped, scalars, unflat, unique
from kerasflow.tracing import Tracer, apply
from kerasflow.tracing.sparse import SparseTensor, index_dtype

Function = Callable[..., Any]


def dense(x: Any) -> Any:
    """A sparse tensor with its zeros; anything else as it is."""
    return x.todense() if isinstance(x, SparseTensor) else x


def unary(function: Function, x: SparseTensor, *args: Any, **kwargs: Any) -> SparseTensor:
    """A function that is zero at zero."""
    x = unique(x)
    return x.with_values(function(x.values, *args, **kwargs))


def linear(function: Function, x: SparseTensor, *args: Any, **kwargs: Any) -> SparseTensor:
    """A function of which a sum's result is the sum of results."""
    return x.with_values(function(x.values, *args, **kwargs))


def union(function: Function, x1: Any, x2: Any) -> Any:
    """A function that is zero where both are, as a sum is."""
    pair = _together(x1, x2)
    if pair is None:
        return function(dense(x1), dense(x2))
    x1, x2 = pair
    return x1.with_values(function(x1.values, x2.values))


def product(function: Function, x1: Any, x2: Any) -> Any:
    """A function that is zero where one of both is; zeros stay such beside infinity, too."""
    if isinstance(x1, SparseTensor) and isinstance(x2, SparseTensor):
        return union(function, x1, x2)
    x, other, exchanged = (x1, x2, False) if isinstance(x1, SparseTensor) else (x2, x1, True)
    found = _beside(x, other)
    if found is None:
        return function(dense(x1), dense(x2))
    values = function(found, x.values) if exchanged else function(x.values, found)
    return x.with_values(_kept_zeros(x, values) if _ndim(other) else values)


def division(function: Function, x1: Any, x2: Any) -> Any:
    """A quotient: sparse if only what is divided is.

    Zeros and NaNs of the divisor have results that are not zero: where they are known these are stored, while a
    program is recorded what is not stored stays zero.
    """
    if isinstance(x2, SparseTensor):
        return function(dense(x1), dense(x2))
    x: SparseTensor = x1
    if _ndim(x2) and np.broadcast_shapes(x.shape, x2.shape) == x.shape and _has_values(x, x2):
        x = _with_places(scalars(x), np.broadcast_to(_array(x2), x.shape))
    found = _beside(x, x2)
    if found is None:
        return function(dense(x1), x2)
    values = function(x.values, found)
    return x.with_values(_kept_zeros(x, values) if x.is_abstract else values)


def _ndim(x: Any) -> int:
    return len(x.shape) if hasattr(x, "shape") else np.ndim(x)


def _array(x: Any) -> Any:
    return x.array_for("the places of zeros are wanted") if isinstance(x, Tracer) else np.asarray(x)


def _has_values(x: SparseTensor, y: Any) -> bool:
    return not x.is_abstract and not (isinstance(y, Tracer) and not y.owner.concrete)


def _kept_zeros(x: SparseTensor, values: Any) -> Any:
    """The values, zero where the tensor's are: it may be filled up with zeros."""
    return np.where(x.values == 0, np.zeros((), values.dtype), values)


def _together(x1: Any, x2: Any) -> tuple[SparseTensor, SparseTensor] | None:
    """Both with the places of either; None if one is dense, or they are of different shapes."""
    if not (isinstance(x1, SparseTensor) and isinstance(x2, SparseTensor)) or x1.shape != x2.shape:
        return None
    if len(x1.coords) != len(x2.coords):
        x1, x2 = scalars(x1), scalars(x2)
    same = all(a is b for a, b in zip(x1.coords, x2.coords, strict=True))
    if (same and x1.is_unique and x2.is_unique) or not x1.coords:
        return unique(x1), unique(x2)
    count = x1.values.shape[0]
    numbers, places = grouped(np.concatenate([flat(x.coords, x.shape) for x in (x1, x2)]))
    coords = unflat(places, x1.shape[: len(x1.coords)])
    n = places.shape[0]
    values = added(n, numbers[:count], x1.values), added(n, numbers[count:], x2.values)
    first, second = (SparseTensor.of(coords, found, x1.shape, True) for found in values)
    return first, second


def _beside(x: SparseTensor, y: Any) -> Any:
    """What y has at the stored places; None where it makes the result larger than x is."""
    ndim = _ndim(y)
    if not ndim:
        return y
    y = y if hasattr(y, "shape") else np.asarray(y)
    if np.broadcast_shapes(x.shape, y.shape) != x.shape:
        return None
    y = np.reshape(y, (1,) * (x.ndim - ndim) + tuple(y.shape))
    axes = len(x.coords)
    along = [i for i in range(axes) if y.shape[i] != 1]
    y = np.reshape(y, tuple(y.shape[i] for i in along) + tuple(y.shape[axes:]))
    return apply("gather", y, *(x.coords[i] for i in along)) if along else y


def _with_places(x: SparseTensor, divisor: Any) -> SparseTensor:
    """The tensor with zeros stored where the divisor is zero or NaN."""
    wrong = np.nonzero((divisor == 0) | (divisor != divisor))
    if not len(wrong[0]):
        return x
    dtype = index_dtype(x.shape)
    coords = [np.concatenate([a, b.astype(dtype)]) for a, b in zip(x.coords, wrong, strict=True)]
    zeros = np.zeros(len(wrong[0]), x.dtype)
    return unique(SparseTensor.of(coords, np.concatenate([x.values, zeros]), x.shape))
