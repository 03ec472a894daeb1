"""Shapes, sums, and tensors side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from kerasflow.sparse.places import compact, flat, scalars, unflat, unique
from kerasflow.tracing import Tracer
from kerasflow.tracing.normalize import canonical_axes, canonical_axis
from kerasflow.tracing.sparse import SparseTensor, index_dtype


def reshape(x: SparseTensor, shape: Any) -> SparseTensor:
    x = scalars(x)
    shape = [shape] if isinstance(shape, int) else list(map(int, shape))
    if -1 in shape:
        rest = math.prod(n for n in shape if n != -1)
        shape[shape.index(-1)] = x.size // rest if rest else 0
    if math.prod(shape) != x.size:
        raise ValueError(f"A tensor of shape {x.shape} cannot be reshaped to {tuple(shape)}")
    places = flat(x.coords, x.shape)
    if not x.coords:  # a number
        places = np.zeros(x.values.shape, np.int64)
    return SparseTensor.of(unflat(places, shape), x.values, shape, x.is_unique and bool(x.coords))


def transpose(x: SparseTensor, axes: Any = None) -> SparseTensor:
    x = scalars(x)
    order = range(x.ndim)[::-1] if axes is None else [canonical_axis(a, x.ndim) for a in axes]
    return SparseTensor.of([x.coords[a] for a in order], x.values, [x.shape[a] for a in order], x.is_unique)


def expand_dims(x: SparseTensor, axis: Any) -> SparseTensor:
    x = scalars(x)
    axes = axis if isinstance(axis, (tuple, list)) else (axis,)
    ndim = x.ndim + len(axes)
    new = canonical_axes(tuple(axes), ndim)
    coords, sizes = iter(x.coords), iter(x.shape)
    none = np.zeros(x.values.shape, np.int32)
    full = [none if i in new else next(coords) for i in range(ndim)]
    return SparseTensor.of(full, x.values, [1 if i in new else next(sizes) for i in range(ndim)], x.is_unique)


def squeeze(x: SparseTensor, axis: Any = None) -> SparseTensor:
    x = scalars(x)
    gone = [i for i, n in enumerate(x.shape) if n == 1] if axis is None else canonical_axes(axis, x.ndim)
    if any(x.shape[i] != 1 for i in gone):
        raise ValueError(
            f"An axis of a tensor of shape {x.shape} that is not of size 1 cannot be left out: {axis}"
        )
    return _without(x, gone, x.is_unique)


def _without(x: SparseTensor, gone: Sequence[int], is_unique: bool = False) -> SparseTensor:
    kept = [i for i in range(x.ndim) if i not in gone]
    coords = [x.coords[i] for i in kept if i < len(x.coords)]
    return SparseTensor.of(coords, x.values, [x.shape[i] for i in kept], is_unique)


def total(x: SparseTensor, axis: Any = None, keepdims: bool = False) -> SparseTensor:
    """The sum along axes."""
    x = scalars(x)
    axes = canonical_axes(axis, x.ndim)
    if not axes:
        return x
    found = compact(_without(x, axes))
    return expand_dims(found, axes) if keepdims else found


def mean(x: SparseTensor, axis: Any = None, keepdims: bool = False) -> SparseTensor:
    count = math.prod(x.shape[a] for a in canonical_axes(axis, x.ndim))
    found = total(x, axis, keepdims)
    return found.with_values(found.values / np.asarray(count, found.dtype))


def concatenate(xs: Sequence[SparseTensor], axis: int = 0) -> SparseTensor:
    xs = [scalars(x) for x in xs]
    first = xs[0]
    axis = canonical_axis(axis, first.ndim)
    others = {tuple(n for i, n in enumerate(x.shape) if i != axis) for x in xs}
    if len(others) > 1 or any(x.ndim != first.ndim for x in xs):
        raise ValueError(
            f"Tensors of the shapes {', '.join(str(x.shape) for x in xs)} cannot be concatenated along axis {axis}"
        )
    shape = list(first.shape)
    shape[axis] = sum(x.shape[axis] for x in xs)
    dtype = index_dtype(shape)
    offsets = np.cumsum([0, *(x.shape[axis] for x in xs[:-1])]).tolist()
    coords = []
    for i in range(first.ndim):
        along = [x.coords[i].astype(dtype) for x in xs]
        if i == axis:
            along = [c + dtype(n) for c, n in zip(along, offsets, strict=True)]
        coords.append(np.concatenate(along))
    values = np.concatenate([x.values for x in xs])
    return SparseTensor.of(
        coords, values, shape, all(x.is_unique for x in xs) and not any(map(_is_traced, xs))
    )


def _is_traced(x: SparseTensor) -> bool:
    return any(isinstance(part, Tracer) for part in (*x.coords, x.values))


def stored(x: Any) -> SparseTensor:
    """All elements of a dense tensor, each at its place."""
    coords = [np.ravel(along).astype(index_dtype(x.shape)) for along in np.indices(x.shape)]
    return SparseTensor.of(coords, np.reshape(x, (-1,)), x.shape, True)


def one_hot(x: Any, count: int, axis: int, dtype: Any) -> SparseTensor:
    """A one at each number of a class along a new axis; a number that is no class has none."""
    axis = axis % (x.ndim + 1)
    numbers = np.reshape(x, (-1,))
    known = (numbers >= 0) & (numbers < count)
    shape = [*x.shape[:axis], count, *x.shape[axis:]]
    kind = index_dtype(shape)
    places = np.where(known, numbers, np.zeros((), numbers.dtype)).astype(kind)
    others = [np.ravel(along).astype(kind) for along in np.indices(x.shape)]
    coords = [*others[:axis], places, *others[axis:]]
    if isinstance(x, Tracer):
        return SparseTensor.of(coords, known.astype(dtype), shape, True)
    coords = [along[known] for along in coords]
    return SparseTensor.of(coords, np.ones(coords[0].shape, dtype), shape, True)


def multi_hot(x: Any, count: int, axis: int, dtype: Any) -> SparseTensor:
    """A one for each class that is among the numbers of a row."""
    along = 1 if x.ndim > 1 else 0
    found = unique(total(one_hot(x, count, axis, np.int32), along))
    return found.with_values((found.values > 0).astype(dtype))


def bincount(x: Any, weights: Any, least: int) -> SparseTensor:
    """How often each number is in each row, weighted; of a sparse tensor what is stored."""
    if isinstance(x, SparseTensor):
        rows, numbers, outer = list(x.coords[:-1]), x.values, x.shape[:-1]
        weights = weights.values if isinstance(weights, SparseTensor) else weights
    else:
        *rows, _ = (np.ravel(along) for along in np.indices(x.shape))
        numbers, outer = np.reshape(x, (-1,)), x.shape[:-1]
        weights = None if weights is None else np.reshape(weights, (-1,))
    size = max(int(np.max(numbers)) + 1 if numbers.shape[0] else 0, int(least or 0))
    shape = (*outer, size)
    values = np.ones(numbers.shape, np.int32) if weights is None else weights
    kind = index_dtype(shape)
    return unique(SparseTensor.of([*(r.astype(kind) for r in rows), numbers.astype(kind)], values, shape))


__all__ = [
    "bincount",
    "concatenate",
    "expand_dims",
    "mean",
    "multi_hot",
    "one_hot",
    "reshape",
    "squeeze",
    "stored",
    "total",
    "transpose",
]
