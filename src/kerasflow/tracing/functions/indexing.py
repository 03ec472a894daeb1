"""Functions whose places are data, on tracers: take, sort, search, diagonals, select."""

from __future__ import annotations

from typing import Any

import numpy as np

from kerasflow.tracing.functions.missing import unknown_function
from kerasflow.tracing.indexing import gather, known_places
from kerasflow.tracing.normalize import as_operand, canonical_axis, cast, promote
from kerasflow.tracing.trace import apply
from kerasflow.tracing.tracer import Tracer


def take(a: Any, indices: Any, axis: Any = None, out: Any = None, mode: str = "raise") -> Any:
    a, indices = as_operand(a), as_operand(indices)
    if axis is None:
        a, axis = np.ravel(a), 0
    axis = canonical_axis(axis, a.ndim)
    n = a.shape[axis]
    if mode == "clip":
        indices = np.clip(indices, 0, n - 1)
    elif mode == "wrap":
        indices = np.remainder(indices, n)
    if axis == 0:
        return apply("gather", a, known_places(indices, n, axis))
    result = gather(a, [axis], [indices])
    return np.moveaxis(result, range(indices.ndim), range(axis, axis + indices.ndim))


def take_along_axis(arr: Any, indices: Any, axis: Any = -1) -> Any:
    arr, indices = as_operand(arr), as_operand(indices)
    if axis is None:
        arr, indices, axis = np.ravel(arr), np.ravel(indices), 0
    axis = canonical_axis(axis, arr.ndim)
    shape = np.broadcast_shapes(
        *(tuple(1 if i == axis else n for i, n in enumerate(s)) for s in (arr.shape, indices.shape))
    )
    arr = np.broadcast_to(arr, (*shape[:axis], arr.shape[axis], *shape[axis + 1 :]))
    places = list(np.ix_(*(np.arange(n) for n in shape)))
    places[axis] = known_places(indices, arr.shape[axis], axis)
    return apply("gather", arr, *places)


def sort(a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None) -> Any:
    a = as_operand(a)
    if axis is None:
        a, axis = np.ravel(a), 0
    return apply("sort", a, axis=canonical_axis(axis, a.ndim))


def argsort(a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None) -> Any:
    a = as_operand(a)
    if not a.ndim:
        return np.zeros_like(a, np.intp)
    if axis is None:
        a, axis = np.ravel(a), 0
    return apply("argsort", a, axis=canonical_axis(axis, a.ndim))


def searchsorted(a: Any, v: Any, side: str = "left", sorter: Any = None) -> Any:
    if sorter is not None:
        raise unknown_function("np.searchsorted(sorter=…)")
    a, v = promote([as_operand(a), as_operand(v)])
    return apply("searchsorted", a, v, side=side)


def digitize(x: Any, bins: Any, right: bool = False) -> Any:
    bins, x = as_operand(bins), as_operand(x)
    rising = searchsorted(bins, x, "left" if right else "right")
    if isinstance(bins, Tracer) or (bins.size > 1 and bins[0] > bins[-1]):
        falling = bins.shape[0] - searchsorted(np.flip(bins), x, "right" if right else "left")
        return np.where(bins[0] > bins[-1], falling, rising)
    return rising


def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    a = as_operand(a)
    axes = [canonical_axis(axis1, a.ndim), canonical_axis(axis2, a.ndim)]
    rows, columns = a.shape[axes[0]], a.shape[axes[1]]
    start = (max(-offset, 0), max(offset, 0))
    places = np.arange(max(min(rows - start[0], columns - start[1]), 0))
    return np.moveaxis(gather(a, axes, [places + start[0], places + start[1]]), 0, -1)


def diag(v: Any, k: int = 0) -> Any:
    v = as_operand(v)
    if v.ndim == 2:
        return diagonal(v, k)
    n = v.shape[0] + abs(k)
    places = np.arange(v.shape[0])
    return apply("scatter", np.zeros((n, n), v.dtype), v, places + max(-k, 0), places + max(k, 0), mode="set")


def select(condlist: Any, choicelist: Any, default: Any = 0) -> Any:
    result = default
    for condition, choice in reversed(list(zip(condlist, choicelist, strict=True))):
        result = np.where(condition, choice, result)
    return result


def isin(
    element: Any, test_elements: Any, assume_unique: bool = False, invert: bool = False, *, kind: Any = None
) -> Any:
    element, tests = as_operand(element), np.ravel(as_operand(test_elements))
    found = np.any(np.expand_dims(element, -1) == tests, axis=-1)
    return np.logical_not(found) if invert else found


def bincount(x: Any, /, weights: Any = None, minlength: int = 0) -> Any:
    x = as_operand(x)
    if not minlength:
        raise unknown_function("np.bincount without minlength (the length would depend on values)")
    updates = np.ones(x.shape, np.intp) if weights is None else cast(as_operand(weights), np.float64)
    # Like NumPy's result cut to `minlength`: what falls outside counts into one place more, which is dropped.
    counts = apply(
        "scatter", np.zeros(minlength + 1, updates.dtype), updates, np.minimum(x, minlength), mode="add"
    )
    return counts[:minlength]


def unravel_index(indices: Any, shape: Any, order: str = "C") -> tuple[Any, ...]:
    rest = cast(as_operand(indices), np.intp)
    sizes = (shape,) if isinstance(shape, (int, np.integer)) else tuple(shape)
    places: list[Any] = []
    for n in sizes[1:][::-1] if order == "C" else sizes[:-1]:
        rest, place = np.divmod(rest, n)
        places.append(place)
    places.append(rest)
    return tuple(places[::-1] if order == "C" else places)


def _shape_depends_on_values(name: str) -> Any:
    def handler(*args: Any, **kwargs: Any) -> Any:
        raise unknown_function(f"np.{name} (the shape of its result depends on values)")

    return handler


def _writes_in_place(name: str) -> Any:
    def handler(*args: Any, **kwargs: Any) -> Any:
        raise unknown_function(f"np.{name} (it writes in place; see `np.where`, `keras.ops.scatter_update`)")

    return handler


FUNCTIONS = {
    np.take: take,
    np.take_along_axis: take_along_axis,
    np.sort: sort,
    np.argsort: argsort,
    np.argpartition: lambda a, kth, axis=-1, *_, **__: argsort(a, axis),
    np.partition: lambda a, kth, axis=-1, *_, **__: sort(a, axis),
    np.searchsorted: searchsorted,
    np.digitize: digitize,
    np.diagonal: diagonal,
    np.diag: diag,
    np.diagflat: lambda v, k=0: diag(np.ravel(v), k),
    np.trace: lambda a, offset=0, axis1=0, axis2=1, dtype=None, out=None: np.sum(
        diagonal(a, offset, axis1, axis2), axis=-1, dtype=dtype
    ),
    np.linalg.diagonal: lambda x, /, *, offset=0: diagonal(x, offset, -2, -1),
    np.linalg.trace: lambda x, /, *, offset=0, dtype=None: np.trace(x, offset, -2, -1, dtype),
    np.unravel_index: unravel_index,
    np.select: select,
    np.isin: isin,
    np.bincount: bincount,
    **{
        getattr(np, name): _shape_depends_on_values(name)
        for name in "nonzero flatnonzero argwhere unique compress extract intersect1d setdiff1d union1d".split()
    },
    **{
        getattr(np, name): _writes_in_place(name)
        for name in "copyto put place putmask put_along_axis fill_diagonal".split()
    },
}
