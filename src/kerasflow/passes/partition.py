"""How a node can be computed part by part: along which axes its operands and its result are cut.

One entry a primitive in one table. A node may be cut in several ways; each is a
`Split`. Who cuts chooses among them: `shard`, for the ranks of a group, and the NumPy backend, for blocks of samples.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from kerasflow.graph import Node, ShapedArray
from kerasflow.passes.rewrite import uniform_value
from kerasflow.primitives.linalg import split_subscripts


@dataclass(frozen=True)
class Split:
    """One way to cut a node into equal blocks.

    Attributes:
        operands: for each operand the axis along which it is cut, None if every block needs all of it.
        result: the axis along which the (first) result is cut, None if each block gives one term of a sum.
        others: the axes along which further results are cut.
    """

    operands: tuple[int | None, ...]
    result: int | None
    others: tuple[int, ...] = ()

    @property
    def results(self) -> tuple[int | None, ...]:
        """For each result the axis along which it is cut."""
        return (self.result, *self.others)


Splits = Iterator[Split]


def _axes(aval: ShapedArray, n: int) -> list[int]:
    """The axes that can be cut into n equal parts."""
    return [i for i, size in enumerate(aval.shape) if size and size % n == 0]


def _beside(shape: tuple[int, ...], ndim: int, axis: int) -> int | None:
    """The axis of a broadcast operand that lies along a result's axis; None where it is repeated."""
    own = axis - (ndim - len(shape))
    return None if own < 0 or shape[own] == 1 else own


def _broadcast(node: Node, n: int) -> Splits:
    out = node.outputs[0].aval
    for axis in _axes(out, n):
        yield Split(tuple(_beside(v.aval.shape, out.ndim, axis) for v in node.inputs), axis)


def _matmul(node: Node, n: int) -> Splits:
    x, y = (v.aval for v in node.inputs)
    out = node.outputs[0].aval
    for axis in _axes(out, n):
        if axis == out.ndim - 1:
            yield Split((None, y.ndim - 1), axis)
        elif axis == out.ndim - 2:
            yield Split((x.ndim - 2, None), axis)
        else:
            yield Split(tuple(_beside(v.shape[:-2], out.ndim - 2, axis) for v in (x, y)), axis)
    if x.shape[-1] % n == 0:
        yield Split((x.ndim - 1, y.ndim - 2), None)


def _einsum(node: Node, n: int) -> Splits:
    terms, output = split_subscripts(node.params["subscripts"])
    shapes = [v.aval.shape for v in node.inputs]
    sizes = {c: n for t, shape in zip(terms, shapes, strict=True) for c, n in zip(t, shape, strict=True)}
    for letter, size in sizes.items():
        if size and size % n == 0 and all(t.count(letter) < 2 for t in terms):
            cut = tuple(t.index(letter) if letter in t else None for t in terms)
            yield Split(cut, output.index(letter) if letter in output else None)


def _sum(node: Node, n: int) -> Splits:
    yield from _reduction(node, n)
    for axis in _axes(node.inputs[0].aval, n):
        if axis in node.params["axis"]:
            yield Split((axis,), None)


def _reduction(node: Node, n: int) -> Splits:
    reduced = node.params["axis"]
    for axis in _axes(node.inputs[0].aval, n):
        if axis not in reduced:
            before = 0 if node.params["keepdims"] else sum(i < axis for i in reduced)
            yield Split((axis,), axis - before)


def _arg_reduction(node: Node, n: int) -> Splits:
    reduced = node.params["axis"]
    for axis in _axes(node.inputs[0].aval, n):
        if axis != reduced:
            yield Split((axis,), axis - (reduced < axis))


def _along_others(node: Node, n: int) -> Splits:
    """What works along one axis, or joins along it."""
    for axis in _axes(node.outputs[0].aval, n):
        if axis != node.params["axis"]:
            yield Split((axis,) * len(node.inputs), axis)


def _last_axis(node: Node, n: int) -> Splits:
    """What works along the last axis."""
    for axis in _axes(node.outputs[0].aval, n):
        if axis < node.outputs[0].aval.ndim - 1:
            yield Split((axis,), axis)


def _transpose(node: Node, n: int) -> Splits:
    for axis in _axes(node.inputs[0].aval, n):
        yield Split((axis,), node.params["axes"].index(axis))


def _reshape(node: Node, n: int) -> Splits:
    """Where as many elements lie before the axis as before, a block is the same run of memory."""
    old, new = node.inputs[0].aval, node.outputs[0].aval
    for axis in _axes(old, n):
        before = math.prod(old.shape[:axis])
        for other in _axes(new, n):
            if math.prod(new.shape[:other]) == before:
                yield Split((axis,), other)


def _whole_slices(index: tuple[tuple[int, int | None, int], ...], shape: tuple[int, ...]) -> list[int]:
    """The axes along which an index takes everything."""
    return [i for i, (a, b, step) in enumerate(index) if a == 0 and b == shape[i] and step == 1]


def _getitem(node: Node, n: int) -> Splits:
    whole = _whole_slices(node.params["index"], node.inputs[0].aval.shape)
    for axis in _axes(node.outputs[0].aval, n):
        if axis in whole:
            yield Split((axis,), axis)


def _setitem(node: Node, n: int) -> Splits:
    x, value = (v.aval for v in node.inputs)
    for axis in _axes(x, n):
        if axis in _whole_slices(node.params["index"], x.shape):
            yield Split((axis, _beside(value.shape, x.ndim, axis)), axis)


def _pad(node: Node, n: int) -> Splits:
    widths = node.params["pad_width"]
    for axis in _axes(node.inputs[0].aval, n):
        if not widths or widths[axis] == (0, 0):
            yield Split((axis, None), axis)


def _gather(node: Node, n: int) -> Splits:
    """The places are cut, what they point into is not."""
    indices = [v.aval for v in node.inputs[1:]]
    ndim = max(i.ndim for i in indices)
    for axis in _axes(node.outputs[0].aval, n):
        if axis < ndim:
            yield Split((None, *(_beside(i.shape, ndim, axis) for i in indices)), axis)


def _scatter(node: Node, n: int) -> Splits:
    """What is added to zeros: each part of the updates gives a term of the sum."""
    x, updates, *indices = node.inputs
    if node.params["mode"] != "add" or uniform_value(x) != 0:
        return
    ndim = max(v.aval.ndim for v in indices)
    for axis in _axes(updates.aval, n):
        if axis < ndim:
            yield Split((None, axis, *(_beside(v.aval.shape, ndim, axis) for v in indices)), None)


def _searchsorted(node: Node, n: int) -> Splits:
    for axis in _axes(node.outputs[0].aval, n):
        yield Split((None, axis), axis)


def _samples(*cut: int | None, result: int | None = 0) -> Callable[[Node, int], Splits]:
    """What works sample by sample: how its operands are cut."""

    def cuts(node: Node, n: int) -> Splits:
        sizes = [v.aval.shape[0] for v, axis in zip(node.inputs, cut, strict=True) if axis == 0]
        if all(size and size % n == 0 for size in sizes):
            yield Split(cut, result)

    return cuts


SPLITS: dict[str, Callable[[Node, int], Splits]] = {
    "matmul": _matmul,
    "einsum": _einsum,
    "sum": _sum,
    **dict.fromkeys(("prod", "max", "min", "any", "all"), _reduction),
    **dict.fromkeys(("argmax", "argmin"), _arg_reduction),
    **dict.fromkeys(("cumsum", "cumprod", "sort", "argsort", "concatenate"), _along_others),
    "top_k": _last_axis,
    "transpose": _transpose,
    "reshape": _reshape,
    "broadcast_to": _broadcast,
    "getitem": _getitem,
    "setitem": _setitem,
    "pad": _pad,
    "gather": _gather,
    "scatter": _scatter,
    "searchsorted": _searchsorted,
    "convolution": _samples(0, None),
    "convolution_transpose": _samples(0, None),
    "convolution_kernel": _samples(0, 0, result=None),
    "max_pool": _samples(0),
    "max_pool_vjp": _samples(0, 0),
    "max_pool_take": _samples(0, 0),
}


def splits(node: Node, n: int) -> Splits:
    """The ways to cut a node into n equal blocks (or into any number that divides n)."""
    if node.primitive.elementwise:
        return _broadcast(node, n)
    rule = SPLITS.get(node.primitive.name)
    return rule(node, n) if rule else iter(())


def shorter(shape: tuple[int, ...], axis: int | None, n: int, k: int = 1) -> tuple[int, ...]:
    """The shape of k of n equal parts along an axis; of all of it for None."""
    return tuple(size * k // n if i == axis else size for i, size in enumerate(shape))


def _index(index: tuple[Any, ...], axis: int, n: int, k: int) -> tuple[Any, ...]:
    return tuple((0, b * k // n, 1) if i == axis else (a, b, step) for i, (a, b, step) in enumerate(index))


# The parameters that hold sizes, and what they are for a part: f(parameter, the result's axis, n, k).
_SIZES: dict[str, tuple[str, Callable[[Any, int, int, int], Any]]] = {
    "reshape": ("shape", shorter),
    "broadcast_to": ("shape", shorter),
    "getitem": ("index", _index),
    "setitem": ("index", _index),
}


def part_params(node: Node, split: Split, n: int, k: int = 1) -> dict[str, Any]:
    """The parameters with which the node computes k of n equal parts."""
    if node.primitive.name not in _SIZES or split.result is None:
        return node.params
    key, change = _SIZES[node.primitive.name]
    return {**node.params, key: change(node.params[key], split.result, n, k)}
