"""Functions that rearrange, join and split, on tracers."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kerasflow.tracing.functions.missing import present, unknown_function
from kerasflow.tracing.normalize import as_operand, canonical_axes, canonical_axis, cast, promote
from kerasflow.tracing.trace import apply
from kerasflow.tracing.tracer import Tracer


def as_shape(shape: Any) -> tuple[int, ...]:
    """An integer or a sequence of integers as a tuple."""
    if isinstance(shape, (list, tuple)):
        return tuple(n.__index__() for n in shape)
    return tuple(n.__index__() for n in np.atleast_1d(shape))


def reshape(a: Any, /, shape: Any = None, order: str = "C", *, newshape: Any = None, copy: Any = None) -> Any:
    a = as_operand(a)
    if order == "F":
        backwards = -1 if shape == -1 else tuple(reversed(as_shape(newshape if shape is None else shape)))
        return transpose(reshape(transpose(a), backwards))
    target = list(as_shape(newshape if shape is None else shape))
    if -1 in target:
        known = int(np.prod([n for n in target if n != -1], dtype=np.int64))
        if target.count(-1) > 1 or known == 0 or a.size % known:
            raise ValueError(
                f"cannot reshape array of shape {a.shape} (size {a.size}) into shape {tuple(target)}"
            )
        target[target.index(-1)] = a.size // known
    return a if tuple(target) == a.shape else apply("reshape", a, shape=tuple(target))


def transpose(a: Any, axes: Any = None) -> Any:
    a = as_operand(a)
    order = tuple(reversed(range(a.ndim))) if axes is None else tuple(canonical_axis(i, a.ndim) for i in axes)
    if sorted(order) != list(range(a.ndim)):
        raise ValueError(f"axes {axes} don't match array of shape {a.shape}")
    return a if order == tuple(range(a.ndim)) else apply("transpose", a, axes=order)


def moveaxis(a: Any, source: Any, destination: Any) -> Any:
    a = as_operand(a)
    sources = [canonical_axis(i, a.ndim) for i in np.atleast_1d(source)]
    targets = [canonical_axis(i, a.ndim) for i in np.atleast_1d(destination)]
    order = [i for i in range(a.ndim) if i not in sources]
    for target, axis in sorted(zip(targets, sources, strict=True)):
        order.insert(target, axis)
    return transpose(a, order)


def swapaxes(a: Any, axis1: int, axis2: int) -> Any:
    a = as_operand(a)
    order = list(range(a.ndim))
    i, j = canonical_axis(axis1, a.ndim), canonical_axis(axis2, a.ndim)
    order[i], order[j] = order[j], order[i]
    return transpose(a, order)


def expand_dims(a: Any, axis: Any) -> Any:
    a = as_operand(a)
    axes = axis if isinstance(axis, (tuple, list)) else (axis,)
    added = canonical_axes(tuple(axes), a.ndim + len(axes))
    rest = iter(a.shape)
    return reshape(a, tuple(1 if i in added else next(rest) for i in range(a.ndim + len(axes))))


def squeeze(a: Any, axis: Any = None) -> Any:
    a = as_operand(a)
    axes = tuple(i for i, n in enumerate(a.shape) if n == 1) if axis is None else canonical_axes(axis, a.ndim)
    if any(a.shape[i] != 1 for i in axes):
        raise ValueError(
            f"cannot select an axis to squeeze out which has size not equal to one (axis {axis} of shape {a.shape})"
        )
    return reshape(a, tuple(n for i, n in enumerate(a.shape) if i not in axes))


def broadcast_to(array: Any, shape: Any, subok: bool = False) -> Any:
    array, target = as_operand(array), as_shape(shape)
    return array if target == array.shape else apply("broadcast_to", array, shape=target)


def broadcast_arrays(*args: Any, subok: bool = False) -> tuple[Any, ...]:
    arrays = [as_operand(a) for a in args]
    shape = np.broadcast_shapes(*(a.shape for a in arrays))
    return tuple(np.broadcast_to(a, shape) for a in arrays)


def concatenate(
    arrays: Any, /, axis: Any = 0, out: Any = None, *, dtype: Any = None, casting: Any = None
) -> Any:
    xs = promote([as_operand(a) for a in arrays])
    if dtype is not None:
        xs = [cast(x, dtype) for x in xs]
    if axis is None:
        xs, axis = [np.ravel(x) for x in xs], 0
    if not xs[0].ndim:
        raise ValueError("zero-dimensional arrays cannot be concatenated")
    return xs[0] if len(xs) == 1 else apply("concatenate", *xs, axis=canonical_axis(axis, xs[0].ndim))


def stack(arrays: Any, axis: int = 0, out: Any = None, *, dtype: Any = None, casting: Any = None) -> Any:
    xs = [as_operand(a) for a in arrays]
    if len({x.shape for x in xs}) != 1:
        raise ValueError(f"all input arrays must have the same shape, received {[x.shape for x in xs]}")
    return concatenate(
        [np.expand_dims(x, canonical_axis(axis, x.ndim + 1)) for x in xs],
        canonical_axis(axis, xs[0].ndim + 1),
        dtype=dtype,
    )


def _at_least(ndim: int) -> Callable[[Any], Any]:
    def handler(a: Any) -> Any:
        a = as_operand(a)
        if a.ndim >= ndim:
            return a
        if ndim == 3 and a.ndim == 2:
            return a[:, :, None]
        if ndim == 3 and a.ndim == 1:
            return a[None, :, None]
        return np.reshape(a, (1,) * (ndim - a.ndim) + a.shape)

    return lambda *xs: handler(xs[0]) if len(xs) == 1 else tuple(map(handler, xs))


def split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    ary = as_operand(ary)
    n = ary.shape[canonical_axis(axis, ary.ndim)]
    if isinstance(indices_or_sections, (int, np.integer)) and n % indices_or_sections:
        raise ValueError(f"array split does not result in an equal division: {n} into {indices_or_sections}")
    return array_split(ary, indices_or_sections, axis)


def array_split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    ary = as_operand(ary)
    axis = canonical_axis(axis, ary.ndim)
    n = ary.shape[axis]
    if isinstance(indices_or_sections, (int, np.integer)):
        each, extra = divmod(n, int(indices_or_sections))
        sizes = [each + 1] * extra + [each] * (int(indices_or_sections) - extra)
        bounds = [0, *np.cumsum(sizes).tolist()]
    else:
        bounds = [0, *(int(i) for i in indices_or_sections), n]
    before = (slice(None),) * axis
    return [ary[(*before, slice(start, stop))] for start, stop in itertools.pairwise(bounds)]


def flip(m: Any, axis: Any = None) -> Any:
    m = as_operand(m)
    axes = canonical_axes(axis, m.ndim)
    return m[tuple(slice(None, None, -1) if i in axes else slice(None) for i in range(m.ndim))]


def rot90(m: Any, k: int = 1, axes: Sequence[int] = (0, 1)) -> Any:
    k = k % 4
    if k == 0:
        return as_operand(m)
    if k == 2:
        return flip(flip(m, axes[0]), axes[1])
    turned = swapaxes(m, *axes)
    return flip(turned, axes[0]) if k == 1 else swapaxes(flip(m, axes[0]), *axes)


def roll(a: Any, shift: Any, axis: Any = None) -> Any:
    a = as_operand(a)
    if axis is None:
        return np.reshape(roll(np.ravel(a), shift, 0), a.shape)
    shifts, axes = np.broadcast_arrays(np.atleast_1d(shift), np.atleast_1d(axis))
    for s, i in zip(shifts.tolist(), axes.tolist(), strict=True):
        i = canonical_axis(i, a.ndim)
        n = a.shape[i]
        s = s % n if n else 0
        if s:
            before = (slice(None),) * i
            a = concatenate([a[(*before, slice(n - s, None))], a[(*before, slice(None, n - s))]], i)
    return a


def tile(A: Any, reps: Any) -> Any:
    a, repeats = as_operand(A), as_shape(reps)
    ndim = max(a.ndim, len(repeats))
    shape = (1,) * (ndim - a.ndim) + a.shape
    repeats = (1,) * (ndim - len(repeats)) + repeats
    spread = np.reshape(a, tuple(n for pair in zip((1,) * ndim, shape, strict=True) for n in pair))
    full = np.broadcast_to(spread, tuple(n for pair in zip(repeats, shape, strict=True) for n in pair))
    return np.reshape(full, tuple(r * n for r, n in zip(repeats, shape, strict=True)))


def repeat(a: Any, repeats: Any, axis: Any = None) -> Any:
    a = as_operand(a)
    if axis is None:
        a, axis = np.ravel(a), 0
    axis = canonical_axis(axis, a.ndim)
    if isinstance(repeats, Tracer):
        raise unknown_function("np.repeat with traced repeats")
    counts = np.broadcast_to(repeats, (a.shape[axis],)).astype(np.intp)  # NumPy takes no wider ones.
    if counts.size and (counts == counts[0]).all():
        spread = np.expand_dims(a, axis + 1)
        shape = (*a.shape[: axis + 1], int(counts[0]), *a.shape[axis + 1 :])
        merged = (*a.shape[:axis], a.shape[axis] * int(counts[0]), *a.shape[axis + 1 :])
        return np.reshape(np.broadcast_to(spread, shape), merged)
    return np.take(a, np.repeat(np.arange(a.shape[axis]), counts), axis=axis)


def pad(array: Any, pad_width: Any, mode: str = "constant", **kwargs: Any) -> Any:
    array = as_operand(array)
    if isinstance(pad_width, dict):
        pad_width = [pad_width.get(i, pad_width.get(i - array.ndim, 0)) for i in range(array.ndim)]
        pad_width = [np.broadcast_to(w, 2) for w in pad_width]
    widths = tuple((int(b), int(e)) for b, e in np.broadcast_to(np.asarray(pad_width), (array.ndim, 2)))
    if mode == "constant":
        value = as_operand(kwargs.get("constant_values", 0))
        if value.ndim == 0:
            return apply("pad", array, cast(value, array.dtype), pad_width=widths)
        values = np.broadcast_to(cast(value, array.dtype), (array.ndim, 2))
        for axis, both in enumerate(widths):
            for side in (0, 1):
                here = (both[0], 0) if side == 0 else (0, both[1])
                each = tuple(here if i == axis else (0, 0) for i in range(array.ndim))
                array = apply("pad", array, values[axis, side], pad_width=each)
        return array
    if mode not in ("reflect", "symmetric", "edge", "wrap"):
        raise unknown_function(f"np.pad(mode={mode!r})")
    # The other modes take elements of the array: the same padding of the indices says which.
    for axis, (width, n) in enumerate(zip(widths, array.shape, strict=True)):
        if any(width):
            array = np.take(array, np.pad(np.arange(n), width, mode=mode, **kwargs), axis=axis)  # type: ignore[call-overload]
    return array


def tri_mask(shape: tuple[int, ...], k: int) -> np.ndarray[Any, Any]:
    rows, columns = shape[-2:] if len(shape) > 1 else shape * 2
    return np.tri(rows, columns, k, dtype=bool)


def diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Any:
    a = as_operand(a)
    if n == 0:
        return a
    axis = canonical_axis(axis, a.ndim)
    thin = (*a.shape[:axis], 1, *a.shape[axis + 1 :])
    parts = [as_operand(x) for x in (prepend, a, append) if x is not None]
    a = concatenate([np.broadcast_to(x, thin) if x.ndim == 0 else x for x in parts], axis)
    before = (slice(None),) * axis
    for _ in range(n):
        later, earlier = a[(*before, slice(1, None))], a[(*before, slice(None, -1))]
        a = np.not_equal(later, earlier) if a.dtype == bool else later - earlier
    return a


def rollaxis(a: Any, axis: int, start: int = 0) -> Any:
    a = as_operand(a)
    axis, start = canonical_axis(axis, a.ndim), start + a.ndim if start < 0 else start
    return moveaxis(a, axis, start - 1 if axis < start else start)


def block(arrays: Any) -> Any:
    """Nested lists of arrays, joined along the last axes: the innermost lists along the last one."""

    def depth(x: Any) -> int:
        return 1 + depth(x[0]) if isinstance(x, list) else 0

    def leaves(x: Any) -> list[Any]:
        return [leaf for part in x for leaf in leaves(part)] if isinstance(x, list) else [as_operand(x)]

    levels = depth(arrays)
    ndim = max(levels, *(x.ndim for x in leaves(arrays)))

    def join(x: Any, level: int) -> Any:
        if not isinstance(x, list):
            x = as_operand(x)
            return np.reshape(x, (1,) * (ndim - x.ndim) + x.shape)
        return concatenate([join(part, level + 1) for part in x], level - levels)

    return join(arrays, 0)


def meshgrid(*xi: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> tuple[Any, ...]:
    n = len(xi)
    grids = [np.reshape(x, (1,) * i + (-1,) + (1,) * (n - 1 - i)) for i, x in enumerate(map(as_operand, xi))]
    if indexing == "xy" and n > 1:
        grids = [np.swapaxes(g, 0, 1) for g in grids]
    return tuple(grids) if sparse else tuple(np.broadcast_arrays(*grids))


FUNCTIONS = {
    np.reshape: reshape,
    np.ravel: lambda a, order="C": reshape(a, -1, order),
    np.transpose: transpose,
    np.permute_dims: transpose,
    np.matrix_transpose: lambda x, /: swapaxes(x, -1, -2),
    np.moveaxis: moveaxis,
    np.swapaxes: swapaxes,
    np.rollaxis: rollaxis,
    np.expand_dims: expand_dims,
    np.squeeze: squeeze,
    np.broadcast_to: broadcast_to,
    np.broadcast_arrays: broadcast_arrays,
    np.concatenate: concatenate,
    np.append: lambda arr, values, axis=None: concatenate([as_operand(arr), as_operand(values)], axis),
    np.stack: stack,
    np.vstack: lambda tup, *, dtype=None, casting=None: concatenate(
        [np.atleast_2d(x) for x in tup], 0, dtype=dtype
    ),
    np.hstack: lambda tup, *, dtype=None, casting=None: concatenate(
        [np.atleast_1d(x) for x in tup], 0 if as_operand(tup[0]).ndim <= 1 else 1, dtype=dtype
    ),
    np.block: block,
    np.dstack: lambda tup: concatenate([np.atleast_3d(x) for x in tup], 2),
    np.column_stack: lambda tup: concatenate(
        [x[:, None] if x.ndim == 1 else x for x in map(as_operand, tup)], 1
    ),
    np.atleast_1d: _at_least(1),
    np.atleast_2d: _at_least(2),
    np.atleast_3d: _at_least(3),
    np.split: split,
    np.array_split: array_split,
    np.vsplit: lambda ary, sections: split(ary, sections, 0),
    np.hsplit: lambda ary, sections: split(ary, sections, 0 if ary.ndim == 1 else 1),
    np.dsplit: lambda ary, sections: split(ary, sections, 2),
    np.flip: flip,
    np.flipud: lambda m: flip(m, 0),
    np.fliplr: lambda m: flip(m, 1),
    np.rot90: rot90,
    np.roll: roll,
    np.tile: tile,
    np.repeat: repeat,
    np.pad: pad,
    np.tril: lambda m, k=0: np.where(tri_mask(m.shape, k), m, cast(0, m.dtype)),
    np.triu: lambda m, k=0: np.where(tri_mask(m.shape, k - 1), cast(0, m.dtype), m),
    np.diff: diff,
    np.meshgrid: meshgrid,
    np.linalg.matrix_transpose: lambda x, /: swapaxes(x, -1, -2),
    **present(unstack=lambda x, /, *, axis=0: tuple(np.moveaxis(x, axis, 0))),
}
