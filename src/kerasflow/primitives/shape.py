"""Operations that move elements without looking at them."""

from __future__ import annotations

from typing import Any

import numpy as np

from kerasflow.graph import Primitive, ShapedArray


def _reshape_rule(x: ShapedArray, shape: tuple[int, ...]) -> ShapedArray:
    result = ShapedArray(shape, x.dtype)
    if result.size != x.size:
        raise ValueError(f"cannot reshape array of shape {x.shape} (size {x.size}) into shape {shape}")
    return result


def _broadcast_to_rule(x: ShapedArray, shape: tuple[int, ...]) -> ShapedArray:
    if np.broadcast_shapes(x.shape, shape) != shape:
        raise ValueError(f"cannot broadcast array of shape {x.shape} to shape {shape}")
    return ShapedArray(shape, x.dtype)


def _concatenate_rule(*xs: ShapedArray, axis: int) -> ShapedArray:
    first = xs[0]
    for x in xs[1:]:
        if x.dtype != first.dtype or x.ndim != first.ndim:
            raise ValueError(f"cannot concatenate {first} and {x}")
        if x.shape[:axis] + x.shape[axis + 1 :] != first.shape[:axis] + first.shape[axis + 1 :]:
            raise ValueError(
                f"all the input array dimensions except for the concatenation axis {axis} must match exactly, "
                f"but the shapes are {[x.shape for x in xs]}"
            )
    total = sum(x.shape[axis] for x in xs)
    return ShapedArray((*first.shape[:axis], total, *first.shape[axis + 1 :]), first.dtype)


def _pad(x: Any, value: Any, pad_width: tuple[tuple[int, int], ...]) -> Any:
    return np.pad(x, pad_width, constant_values=value) if pad_width else np.array(x)


def _pad_rule(x: ShapedArray, value: ShapedArray, pad_width: tuple[tuple[int, int], ...]) -> ShapedArray:
    shape = tuple(n + before + after for n, (before, after) in zip(x.shape, pad_width, strict=True))
    return ShapedArray(shape, x.dtype)


def sliced_shape(shape: tuple[int, ...], index: tuple[tuple[int, int | None, int], ...]) -> tuple[int, ...]:
    """The shape after one `(start, stop, step)` for every axis."""
    return tuple(len(range(n)[slice(*triple)]) for n, triple in zip(shape, index, strict=True))


def slices(index: tuple[tuple[int, int | None, int], ...]) -> tuple[slice, ...]:
    """The index with which NumPy slices: `(start, stop, step)` triples as `slice` objects."""
    return tuple(slice(*triple) for triple in index)


def _getitem(x: Any, index: tuple[tuple[int, int | None, int], ...]) -> Any:
    return x[slices(index)]


def _setitem(x: Any, value: Any, index: tuple[tuple[int, int | None, int], ...]) -> Any:
    result = np.array(x)
    result[slices(index)] = value
    return result


def _setitem_rule(x: ShapedArray, value: ShapedArray, index: Any) -> ShapedArray:
    target = sliced_shape(x.shape, index)
    if np.broadcast_shapes(value.shape, target) != target:
        raise ValueError(f"could not set a slice of shape {target} to a value of shape {value.shape}")
    return x


def _view(x: Any, dtype: np.dtype[Any]) -> Any:
    return np.ascontiguousarray(x).reshape(x.shape).view(dtype)


def _view_rule(x: ShapedArray, dtype: np.dtype[Any]) -> ShapedArray:
    if dtype.itemsize == x.dtype.itemsize:
        return ShapedArray(x.shape, dtype)
    nbytes = x.shape[-1] * x.dtype.itemsize if x.ndim else 0
    if not x.ndim or nbytes % dtype.itemsize:
        raise ValueError(f"view: the last axis of {x} has no whole number of {dtype}")
    return ShapedArray((*x.shape[:-1], nbytes // dtype.itemsize), dtype)


reshape = Primitive("reshape", lambda x, shape: np.reshape(x, shape), _reshape_rule, view=True)
transpose = Primitive(
    "transpose",
    lambda x, axes: np.transpose(x, axes),
    lambda x, axes: ShapedArray(tuple(x.shape[i] for i in axes), x.dtype),
    view=True,
)
broadcast_to = Primitive(
    "broadcast_to", lambda x, shape: np.broadcast_to(x, shape), _broadcast_to_rule, view=True
)
# One (start, stop, step) triple for each axis; stop is None where a negative step runs to the first element.
getitem = Primitive(
    "getitem", _getitem, lambda x, index: ShapedArray(sliced_shape(x.shape, index), x.dtype), view=True
)
# NumPy's x[index] = value, without changing x.
setitem = Primitive("setitem", _setitem, _setitem_rule)
concatenate = Primitive("concatenate", lambda *xs, axis: np.concatenate(xs, axis=axis), _concatenate_rule)
pad = Primitive("pad", _pad, _pad_rule)

# The same bits as numbers of another dtype; where that has another size the last axis is longer or shorter.
view = Primitive("view", _view, _view_rule)

PRIMITIVES: tuple[Primitive, ...] = (
    reshape,
    transpose,
    broadcast_to,
    getitem,
    setitem,
    concatenate,
    pad,
    view,
)
