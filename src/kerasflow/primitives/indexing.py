"""Operations whose places are data: gather, scatter, sorting, searching."""

from __future__ import annotations

from typing import Any

import numpy as np

from kerasflow.graph import Primitive, ShapedArray
from kerasflow.primitives.elementwise import broadcast_shapes

# How `scatter` combines an update with what is there; `None` overwrites (the last of several wins).
SCATTER_UFUNCS: dict[str, np.ufunc | None] = {
    "set": None,
    "add": np.add,
    "multiply": np.multiply,
    "maximum": np.maximum,
    "minimum": np.minimum,
}


def _gather(x: Any, *indices: Any) -> Any:
    return x[indices]


def _gather_rule(x: ShapedArray, *indices: ShapedArray) -> ShapedArray:
    if len(indices) > x.ndim:
        raise ValueError(f"too many indices for array: {len(indices)} for an array of shape {x.shape}")
    return ShapedArray(broadcast_shapes(*(i.shape for i in indices)) + x.shape[len(indices) :], x.dtype)


def _scatter(x: Any, updates: Any, *indices: Any, mode: str) -> Any:
    result = np.array(x)
    ufunc = SCATTER_UFUNCS[mode]
    if ufunc is None:
        result[indices] = updates
    else:
        ufunc.at(result, indices, updates)
    return result


def _scatter_rule(x: ShapedArray, updates: ShapedArray, *indices: ShapedArray, mode: str) -> ShapedArray:
    target = _gather_rule(x, *indices).shape
    if np.broadcast_shapes(updates.shape, target) != target:
        raise ValueError(f"scatter: updates of shape {updates.shape} do not fit indices that select {target}")
    return x


def _int64(x: ShapedArray, **_: Any) -> ShapedArray:
    return ShapedArray(x.shape, np.dtype(np.int64))


# x[i0, i1, ...]: integer arrays for the first axes, broadcast together; out of bounds is an IndexError.
gather = Primitive("gather", _gather, _gather_rule)
# x with x[i0, i1, ...] combined with the updates; several updates of one place all count.
scatter = Primitive("scatter", _scatter, _scatter_rule)
sort = Primitive("sort", lambda x, axis: np.sort(x, axis=axis), lambda x, axis: x)
argsort = Primitive("argsort", lambda x, axis: np.argsort(x, axis=axis, kind="stable"), _int64)
searchsorted = Primitive(
    "searchsorted",
    lambda a, v, side: np.searchsorted(a, v, side=side),
    lambda a, v, side: ShapedArray(v.shape, np.dtype(np.int64)),
)

PRIMITIVES: tuple[Primitive, ...] = (gather, scatter, sort, argsort, searchsorted)
