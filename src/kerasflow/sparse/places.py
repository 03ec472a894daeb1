"""Stored numbers by place: places as single numbers, and those that are the same together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from kerasflow.tracing import Tracer, apply
from kerasflow.tracing.sparse import SparseTensor, index_dtype, scatter_add


def flat(coords: Sequence[Any], shape: Sequence[int]) -> Any:
    """The places in the tensor's elements, counted one behind the other."""
    found: Any = 0
    for along, n in zip(coords, shape, strict=False):
        found = found * n + along.astype(np.int64)
    return found


def unflat(places: Any, shape: Sequence[int]) -> list[Any]:
    """The other way: for each axis the places along it."""
    dtype, found = index_dtype(shape), []
    for n in reversed(shape):
        n = max(n, 1)
        found.append((places % n).astype(dtype))
        places = places // n
    return found[::-1]


def grouped(places: Any) -> tuple[Any, Any]:
    """Of each place its number among the different ones, and these; traced ones have zeros behind them."""
    if not isinstance(places, Tracer):
        different, numbers = np.unique(places, return_inverse=True)
        return numbers, different
    order = np.argsort(places)
    ordered = places[order]
    begins = np.concatenate([np.zeros(1, np.int64), (ordered[1:] != ordered[:-1]).astype(np.int64)])
    ranks = np.cumsum(begins)
    zeros = np.zeros(places.shape, np.int64)
    numbers = apply("scatter", zeros, ranks, order, mode="set")
    return numbers, apply("scatter", zeros, ordered, ranks, mode="set")


def scalars(x: SparseTensor) -> SparseTensor:
    """The tensor with each number stored by itself, also where rows or matrices were."""
    axes, count = len(x.coords), x.values.shape[0]
    inner = x.shape[axes:]
    if not inner:
        return x
    each = math.prod(inner)
    dtype = index_dtype(x.shape)
    outer = [np.repeat(along, each) for along in x.coords]
    own = [np.tile(np.ravel(along), count).astype(dtype) for along in np.indices(inner)]
    return SparseTensor.of([*outer, *own], np.reshape(x.values, (-1,)), x.shape, x.is_unique)


def unique(x: SparseTensor) -> SparseTensor:
    """The tensor with the numbers of each place added up."""
    if x.is_unique:
        return x
    axes = len(x.coords)
    if not axes:
        return SparseTensor.of((), x.todense()[None], x.shape, True)
    numbers, places = grouped(flat(x.coords, x.shape))
    values = added(places.shape[0], numbers, x.values)
    return SparseTensor.of(unflat(places, x.shape[:axes]), values, x.shape, True)


def added(count: int, numbers: Any, values: Any) -> Any:
    """Values added up by their numbers; of truth values whether one is true."""
    narrow = values.dtype == np.bool_
    total = scatter_add((count, *values.shape[1:]), (numbers,), values.astype(np.int32) if narrow else values)
    return total.astype(np.bool_) if narrow else total


def compact(x: SparseTensor) -> SparseTensor:
    """A new tensor without a place twice, where that makes it smaller: a traced one has its size."""
    return x if x.is_abstract else unique(x)
