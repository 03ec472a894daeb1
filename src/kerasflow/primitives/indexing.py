"""Operations whose places are data: gather, scatter, sorting, searching."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kerasflow.graph import Constant, Node, Primitive, ShapedArray
from kerasflow.primitives.elementwise import broadcast_shapes

# How `scatter` combines an update with what is there; `None` overwrites (the last of several wins).
SCATTER_UFUNCS: dict[str, np.ufunc | None] = {
    "set": None,
    "add": np.add,
    "multiply": np.multiply,
    "maximum": np.maximum,
    "minimum": np.minimum,
}


def out_of_bounds(indices: Any, size: int, axis: int | None) -> IndexError | None:
    """The error for indices of an axis: the first one that is outside, and where it stands; None if all are inside.

    Args:
        axis: None where it is not known.
    """
    indices = np.asarray(indices)
    wrong = (indices < -size) | (indices >= size)
    if not wrong.any():
        return None
    position = tuple(map(int, np.argwhere(wrong)[0]))
    what = f"an axis of size {size}" if axis is None else f"axis {axis} with size {size}"
    where = f", at position {position} of the indices" if indices.size > 1 else ""
    return IndexError(f"index {indices[position]} is out of bounds for {what}{where}")


def _places_outside(node: Node, x: Any, indices: Sequence[Any]) -> IndexError | None:
    axes: Sequence[int | None] = range(x.ndim)
    maker = node.inputs[0].node
    if maker is not None and maker.primitive.name == "transpose":
        axes = maker.params["axes"]  # The indexed axes were brought to the front.
    elif isinstance(node.inputs[0], Constant) and len(indices) < x.ndim:
        axes = [None] * x.ndim  # So they may have been before the program was recorded.
    found = (out_of_bounds(i, n, axis) for i, n, axis in zip(indices, x.shape, axes, strict=False))
    return next((error for error in found if error), None)


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


def sorted_runs(index: Any, size: int) -> tuple[Any, Any, Any]:
    """Places of an axis in rising order: `(order, starts, distinct)`.

    Returns:
        Where the sorted ones are among the indices, those of one place in their order; where each place's run begins
        in that; the places themselves.

    Raises:
        IndexError: an index is out of bounds.
    """
    error = out_of_bounds(index, size, 0)
    if error is not None:
        raise error
    places = np.where(index < 0, index + size, index).astype(np.intp)
    order = np.argsort(places, kind="stable")
    ordered = places[order]
    starts = np.flatnonzero(
        np.concatenate((np.ones(min(ordered.size, 1), bool), ordered[1:] != ordered[:-1]))
    )
    return order, starts, ordered[starts]


def unused_place(distinct: Any) -> int:
    """The first place that is not among some in rising order."""
    return int(np.argmax(np.append(distinct, -1) != np.arange(len(distinct) + 1)))


def _collect_rows(updates: Any, index: Any, size: int) -> tuple[Any, Any]:
    order, starts, distinct = sorted_runs(index, size)
    rows = np.zeros(updates.shape, updates.dtype)
    if len(starts):
        rows[: len(starts)] = np.add.reduceat(updates[order], starts, axis=0)
    places = np.full(index.shape, unused_place(distinct), np.intp)
    places[: len(distinct)] = distinct
    return rows, places


def _collect_rows_rule(updates: ShapedArray, index: ShapedArray, size: int) -> tuple[ShapedArray, ...]:
    if index.ndim != 1 or updates.shape[:1] != index.shape or index.dtype.kind not in "iu":
        raise ValueError(f"collect_rows: updates {updates} need an index each, received {index}")
    if index.size >= size:
        raise ValueError(f"collect_rows: {index.size} updates of {size} rows leave no place unused")
    return updates, ShapedArray(index.shape, np.dtype(np.intp))


def top_k_places(x: Any, k: int) -> Any:
    """The places of the k largest along the last axis, largest first: NaNs before all, of equals the first.

    A partition tells the smallest of them, and that the places in rising order; only the k are sorted.
    """
    n = x.shape[-1]
    k = min(k, n)
    largest = np.partition(x, n - k)[..., n - k :] if 0 < k < n and x.dtype.kind in "fiub" else None
    if largest is None or (largest != largest).any():  # The partition puts NaNs there, too.
        return _falling(x)[..., :k]
    least = largest[..., :1]
    chosen = x >= least
    if np.count_nonzero(chosen) > largest.size:  # There are more of the smallest than there is room for.
        chosen, equal = x > least, x == least
        room = k - np.count_nonzero(chosen, axis=-1, keepdims=True)
        chosen |= equal & (np.cumsum(equal, axis=-1) <= room)
    places = (np.flatnonzero(chosen) % n).reshape(largest.shape)
    return np.take_along_axis(places, _falling(np.take_along_axis(x, places, -1)), -1)


def _falling(x: Any) -> Any:
    """The order of the last axis from the largest: a stable rising one of the reversed rows, read backwards."""
    return x.shape[-1] - 1 - np.argsort(x[..., ::-1], axis=-1, kind="stable")[..., ::-1]


def _top_k_rule(x: ShapedArray, k: int) -> ShapedArray:
    return ShapedArray((*x.shape[:-1], min(k, x.shape[-1])), np.dtype(np.intp))


def _places(x: ShapedArray, **_: Any) -> ShapedArray:
    return ShapedArray(x.shape, np.dtype(np.intp))  # NumPy's own integers: of 32 bits on some machines


# x[i0, i1, ...]: integer arrays for the first axes, broadcast together; out of bounds is an IndexError.
gather = Primitive(
    "gather",
    _gather,
    _gather_rule,
    failure=lambda node, arrays: _places_outside(node, arrays[0], arrays[1:]),
)
# x with x[i0, i1, ...] combined with the updates; several updates of one place all count.
scatter = Primitive(
    "scatter",
    _scatter,
    _scatter_rule,
    failure=lambda node, arrays: _places_outside(node, arrays[0], arrays[2:]),
)
# What is not zero in zeros of `size` rows to which updates are added: the sums, one for each place in the index, and
# these places in rising order. What is left of the results is zeros, and a place that is not among them.
collect_rows = Primitive(
    "collect_rows",
    _collect_rows,
    _collect_rows_rule,
    multiple_results=True,
    failure=lambda node, arrays: out_of_bounds(arrays[1], node.params["size"], 0),
)
sort = Primitive("sort", lambda x, axis: np.sort(x, axis=axis), lambda x, axis: x)
argsort = Primitive("argsort", lambda x, axis: np.argsort(x, axis=axis, kind="stable"), _places)
# All places if there are fewer than k.
top_k = Primitive("top_k", top_k_places, _top_k_rule)
searchsorted = Primitive(
    "searchsorted",
    lambda a, v, side: np.searchsorted(a, v, side=side),
    lambda a, v, side: ShapedArray(v.shape, np.dtype(np.intp)),
)

PRIMITIVES: tuple[Primitive, ...] = (gather, scatter, collect_rows, sort, argsort, top_k, searchsorted)
