"""Reductions, shapes, places and products, in ONNX's operators."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import numpy as np

from kerasflow.errors import ExportError
from kerasflow.exporting.onnx.builder import Builder, Tensor
from kerasflow.exporting.onnx.elementwise import INTEGERS, WIDE, via, widened
from kerasflow.graph import Node, ShapedArray, Size
from kerasflow.primitives.linalg import split_subscripts

Lowering = Callable[..., Tensor]

_LAST = np.iinfo(np.int64)
_COMPARED = {**WIDE, "int64": "float64"}

# -- reductions ---------------------------------------------------------------------------------------------


def _reduction(kind: str) -> Lowering:
    def lowered(b: Builder, x: Tensor, *, axis: tuple[int, ...], keepdims: bool) -> Tensor:
        return b.op(kind, x, b.dims(axis), keepdims=int(keepdims), noop_with_empty_axes=1)

    return via(lowered, WIDE)


def _truth(kind: str) -> Lowering:
    """Whether any or all are true: the largest or smallest of 0 and 1."""

    def lowered(b: Builder, x: Tensor, *, axis: tuple[int, ...], keepdims: bool) -> Tensor:
        return _reduction(kind)(b, x.cast(bool).cast(np.int32), axis=axis, keepdims=keepdims).cast(bool)

    return lowered


def _place_of(kind: str) -> Lowering:
    def lowered(b: Builder, x: Tensor, *, axis: int) -> Tensor:
        return b.op(kind, widened(x, _COMPARED), axis=axis, keepdims=0, dtype=np.int64)

    return lowered


def _cumsum(b: Builder, x: Tensor, *, axis: int) -> Tensor:
    return b.op("CumSum", x, b.constant(np.array(axis, np.int64)))


def _cumprod(b: Builder, x: Tensor, node: Node, *, axis: int) -> Tensor:
    """A loop along the axis, with the product so far."""
    first = b.op("Gather", x, b.constant(np.array(0, np.int64)), axis=axis)
    one = b.op(
        "Expand", b.constant(np.array(1, x.dtype)), b.op("Shape", first, dtype=np.int64), dtype=x.dtype
    )
    shape = node.inputs[0].aval.shape
    if not shape[axis]:
        return x
    aval = ShapedArray(shape[:axis] + shape[axis + 1 :], x.dtype)

    def step(carried: Tensor, element: Tensor) -> list[Tensor]:
        product = carried * element
        return [product, product]

    body = b.subgraph(step, {"product": aval, "element": aval}, "cumprod")
    _, found = b.ops(
        "Scan", [one, x], [x.dtype, x.dtype], body=body, num_scan_inputs=1, scan_input_axes=[axis],
        scan_output_axes=[axis],
    )  # fmt: skip
    return found


# -- shapes -------------------------------------------------------------------------------------------------


def _reshape(b: Builder, x: Tensor, *, shape: tuple[int, ...]) -> Tensor:
    growing = [i for i, n in enumerate(shape) if isinstance(n, Size)]
    if len(growing) == 1 and 0 not in shape:
        shape = tuple(-1 if i in growing else n for i, n in enumerate(shape))
    return b.op("Reshape", x, b.dims(shape), allowzero=int(0 in shape))


def _transpose(b: Builder, x: Tensor, *, axes: tuple[int, ...]) -> Tensor:
    return b.transpose(x, axes)


def broadcast(b: Builder, x: Tensor, before: tuple[int, ...], shape: tuple[int, ...]) -> Tensor:
    """x, of shape `before`, repeated to a shape; axes that are as they were need no number."""
    aligned = (1,) * (len(shape) - len(before)) + before
    wanted = tuple(1 if n == m and len(before) > i - len(shape) + len(before) >= 0 else n
                   for i, (n, m) in enumerate(zip(shape, aligned, strict=True)))  # fmt: skip
    if all(n == 1 for n in wanted) and len(before) == len(shape):
        return x
    return b.op("Expand", x, b.dims(wanted))


def _broadcast_to(b: Builder, x: Tensor, node: Node, *, shape: tuple[int, ...]) -> Tensor:
    return broadcast(b, x, node.inputs[0].aval.shape, shape)


def _is_whole(triple: tuple[int, int | None, int], n: int) -> bool:
    """Whether a slice takes an axis of n elements as it is."""
    start, stop, step = triple
    return start == 0 and step == 1 and (stop is None or stop == n)


def _getitem(b: Builder, x: Tensor, node: Node, *, index: tuple[tuple[int, int | None, int], ...]) -> Tensor:
    cut = [
        (axis, *triple)
        for axis, (triple, n) in enumerate(zip(index, node.inputs[0].aval.shape, strict=True))
        if not _is_whole(triple, n)
    ]
    if not cut:
        return x
    axes, starts, stops, steps = zip(*cut, strict=True)
    ends = [
        (_LAST.min if step < 0 else _LAST.max) if n is None else n
        for n, step in zip(stops, steps, strict=True)
    ]
    return b.op("Slice", x, b.dims(starts), b.dims(ends), b.dims(axes), b.dims(steps))


def _setitem(
    b: Builder, x: Tensor, value: Tensor, node: Node, *, index: tuple[tuple[int, int | None, int], ...]
) -> Tensor:
    """The value's elements at their places, axis by axis; elsewhere some others, which a mask replaces by x's."""
    shape = node.inputs[0].aval.shape
    mask = np.ones((1,) * len(shape), bool)
    target: list[int] = list(shape)
    places: dict[int, np.ndarray[Any, Any]] = {}
    for axis, (triple, n) in enumerate(zip(index, shape, strict=True)):
        if _is_whole(triple, n):
            continue
        if any(isinstance(part, Size) for part in (n, *triple)):
            raise ExportError("ONNX has no assignment to a part of the batch.")
        taken = np.arange(n)[slice(*triple)]
        target[axis] = len(taken)
        places[axis] = np.zeros(n, np.int64)
        places[axis][taken] = np.arange(len(taken))
        mask = mask & np.isin(np.arange(n), taken).reshape(
            [-1 if i == axis else 1 for i in range(len(shape))]
        )
    value = broadcast(b, value, node.inputs[1].aval.shape, tuple(target))
    if 0 in target:
        return x
    for axis, place in places.items():
        value = b.op("Gather", value, b.constant(place), axis=axis)
    own, wide = x.dtype, np.dtype(INTEGERS.get(x.dtype.name, x.dtype))
    return b.where(b.constant(mask), value.cast(wide), x.cast(wide)).cast(own)


def _concatenate(b: Builder, *xs: Tensor, axis: int) -> Tensor:
    return b.op("Concat", *xs, axis=axis)


def _pad(b: Builder, x: Tensor, value: Tensor, *, pad_width: tuple[tuple[int, int], ...]) -> Tensor:
    widths = [pair[0] for pair in pad_width] + [pair[1] for pair in pad_width]
    return b.op("Pad", x, b.dims(widths), value)


# -- places -------------------------------------------------------------------------------------------------


def _places(b: Builder, indices: Sequence[Tensor]) -> Tensor:
    """Indices of the first axes, broadcast together, as `GatherND` and `ScatterND` want them."""
    columns = [i.cast(np.int64) for i in indices]
    if len(columns) > 1:
        shape = b.op("Shape", reduce(lambda x, y: x + y, columns), dtype=np.int64)
        columns = [b.op("Expand", i, shape) for i in columns]
    columns = [b.op("Unsqueeze", i, b.dims([-1])) for i in columns]
    return columns[0] if len(columns) == 1 else b.op("Concat", *columns, axis=-1)


def _gather(b: Builder, x: Tensor, *indices: Tensor) -> Tensor:
    if not indices:
        return x
    if len(indices) == 1:
        return b.op("Gather", x, indices[0].cast(np.int64), axis=0)
    return b.op("GatherND", x, _places(b, indices))


_SCATTERS = {"set": "none", "add": "add", "multiply": "mul", "maximum": "max", "minimum": "min"}


def _scatter(b: Builder, x: Tensor, updates: Tensor, *indices: Tensor, mode: str) -> Tensor:
    places = _places(b, indices)
    along, across = (b.op("Shape", v, start=start, end=end, dtype=np.int64)
                     for v, start, end in ((places, 0, -1), (x, len(indices), _LAST.max)))  # fmt: skip
    updates = b.op("Expand", updates, b.op("Concat", along, across, axis=0))
    return b.op("ScatterND", x, places, updates, reduction=_SCATTERS[mode])


def _sorted(b: Builder, x: Tensor, node: Node, axis: int) -> list[Tensor]:
    """The elements in rising order, equal ones as they were, and their places."""
    n = b.dims([node.inputs[0].aval.shape[axis]])
    x = widened(x, WIDE)
    return b.ops("TopK", [x, n], [x.dtype, np.int64], axis=axis, largest=0, sorted=1)


def _sort(b: Builder, x: Tensor, node: Node, *, axis: int) -> Tensor:
    return _sorted(b, x, node, axis)[0].cast(x.dtype)


def _argsort(b: Builder, x: Tensor, node: Node, *, axis: int) -> Tensor:
    return _sorted(b, x, node, axis)[1]


def _top_k(b: Builder, x: Tensor, *, k: int) -> Tensor:
    return b.ops("TopK", [widened(x, WIDE), b.dims([k])], [x.dtype, np.int64], axis=-1, largest=1, sorted=1)[
        1
    ]


def _searchsorted(b: Builder, a: Tensor, v: Tensor, *, side: str) -> Tensor:
    """How many elements come before each."""
    a, v = widened(a, WIDE), widened(v, WIDE)
    before = b.op(
        "Less" if side == "left" else "LessOrEqual", a, b.op("Unsqueeze", v, b.dims([-1])), dtype=bool
    )
    return b.op("ReduceSum", before.cast(np.int64), b.dims([-1]), keepdims=0)


# -- products -----------------------------------------------------------------------------------------------


def _matmul(b: Builder, x: Tensor, y: Tensor) -> Tensor:
    return b.op("MatMul", x, y)


def _einsum(b: Builder, *xs: Tensor, subscripts: str) -> Tensor:
    inputs, result = split_subscripts(subscripts)
    if len(inputs) == 2:
        left, right = inputs
        if len(right) == 2 and left[-1:] == right[0] and result == left[:-1] + right[1]:
            return b.op("MatMul", *xs)
    return b.op("Einsum", *xs, equation=subscripts)


# What needs the shapes of its operands takes their node as well.
WITH_NODE: dict[str, Lowering] = {
    "broadcast_to": _broadcast_to,
    "getitem": _getitem,
    "setitem": _setitem,
    "cumprod": via(_cumprod, WIDE),
    "sort": _sort,
    "argsort": _argsort,
}

LOWERINGS: dict[str, Lowering] = {
    "sum": _reduction("ReduceSum"),
    "prod": _reduction("ReduceProd"),
    "max": _reduction("ReduceMax"),
    "min": _reduction("ReduceMin"),
    "any": _truth("ReduceMax"),
    "all": _truth("ReduceMin"),
    "argmax": _place_of("ArgMax"),
    "argmin": _place_of("ArgMin"),
    "cumsum": via(_cumsum, WIDE),
    "reshape": _reshape,
    "transpose": _transpose,
    "concatenate": _concatenate,
    "pad": _pad,
    "gather": _gather,
    "scatter": via(_scatter, WIDE),
    "top_k": _top_k,
    "searchsorted": _searchsorted,
    "matmul": via(_matmul, WIDE),
    "einsum": via(_einsum, WIDE),
    "det": lambda b, x: b.op("Det", x),
}
