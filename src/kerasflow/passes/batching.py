"""Batching: a graph for one element as a graph for a whole batch of them, stacked along a new first axis.

One rule a primitive in one table; a primitive that works on stacks anyway needs
none of its own. A rule gets the builder, the node, its inputs in the new graph,
which of them are stacked, and how many elements there are; it returns the stacked
result, or None if it knows no way.

To cut arrays along an axis that they have (`partition.py`) is another question, with a table of
its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kerasflow.graph import Constant, Graph, Node, Value
from kerasflow.primitives.builder import Builder
from kerasflow.primitives.linalg import split_subscripts

Rule = Callable[[Builder, Node, Sequence[Value], Sequence[bool], int], Value | None]


def batched(graph: Graph, constants: int, n: int) -> Graph | None:
    """The graph for `n` elements at once.

    Args:
        constants: so many of the inputs are the same for all elements; the others are stacked.

    Returns:
        A graph from the constants and the stacked inputs to the stacked outputs; None if a node cannot be batched.
    """
    builder = Builder()
    inputs = [Value(v.aval) for v in graph.inputs[:constants]]
    inputs += [Value(_stacked(v, n)) for v in graph.inputs[constants:]]
    env = Batch(n, dict(zip(graph.inputs, inputs, strict=True)), set(graph.inputs[constants:]))
    for node in graph.nodes:
        if not env.add(builder, node):
            return None
    return Graph(inputs, builder.nodes, [env.stacked(builder, v) for v in graph.outputs])


def _stacked(value: Value, n: int) -> Any:
    return type(value.aval)((n, *value.aval.shape), value.aval.dtype)


class Batch:
    """What has become of the values of a graph.

    Args:
        env: what stands for each of them. varying: those that stand for a stack.
    """

    def __init__(self, n: int, env: dict[Value, Value], varying: set[Value]) -> None:
        self.n = n
        self.env = env
        self.varying = varying

    def add(self, builder: Builder, node: Node) -> bool:
        """Compute a node for all elements; whether that was possible."""
        inputs = [self.env.get(v, v) for v in node.inputs]
        flags = [v in self.varying for v in node.inputs]
        builder.scope = node.scope
        if not any(flags):
            self.env.update(zip(node.outputs, builder.keep(node, tuple(inputs)), strict=True))
            return True
        if node.primitive.name in STACKS:
            wanted = [self.spread(builder, v, flag) for v, flag in zip(inputs, flags, strict=True)]
            results = builder.emit_all(node.primitive, wanted, node.params)
        else:
            rule = _elementwise if node.primitive.elementwise else RULES.get(node.primitive.name)
            result = rule(builder, node, inputs, flags, self.n) if rule else None
            if result is None:
                return False
            results = (result,)
        self.env.update(zip(node.outputs, results, strict=True))
        self.varying.update(node.outputs)
        return True

    def stacked(self, builder: Builder, value: Value) -> Value:
        """The stack of a value for all elements."""
        return self.spread(builder, self.env.get(value, value), value in self.varying)

    def spread(self, builder: Builder, value: Value, stacked: bool) -> Value:
        """A value of the new graph as a stack."""
        if stacked:
            return value
        return builder.emit("broadcast_to", value, shape=(self.n, *value.aval.shape))


def _beside(b: Builder, value: Value, stacked: bool, ndim: int) -> Value:
    """An operand that is broadcast against elements of `ndim` axes, its batch axis in front of all of them."""
    shape = value.aval.shape
    if not stacked or len(shape) == ndim + 1:
        return value
    return b.emit("reshape", value, shape=(shape[0], *(1,) * (ndim + 1 - len(shape)), *shape[1:]))


def _spread(b: Builder, value: Value, stacked: bool, n: int) -> Value:
    return value if stacked else b.emit("broadcast_to", value, shape=(n, *value.aval.shape))


def _elementwise(b: Builder, node: Node, xs: Sequence[Value], flags: Sequence[bool], n: int) -> Value:
    ndim = node.outputs[0].aval.ndim
    operands = [_beside(b, x, flag, ndim) for x, flag in zip(xs, flags, strict=True)]
    return b.emit(node.primitive, *operands, **node.params)


def _with(**changes: Callable[[Any, int], Any]) -> Rule:
    """A rule for primitives of one operand, some of whose parameters change: f(parameter, n)."""

    def rule(b: Builder, node: Node, xs: Sequence[Value], flags: Sequence[bool], n: int) -> Value:
        params = {key: changes[key](p, n) if key in changes else p for key, p in node.params.items()}
        return b.emit(node.primitive, *xs, **params)

    return rule


def _transpose(axes: Any, n: int) -> tuple[int, ...]:
    return (0, *(axis + 1 for axis in axes))


def _broadcast_to(b: Builder, node: Node, xs: Sequence[Value], flags: Sequence[bool], n: int) -> Value:
    shape = node.params["shape"]
    return b.emit("broadcast_to", _beside(b, xs[0], True, len(shape)), shape=(n, *shape))


def _setitem(b: Builder, node: Node, xs: Sequence[Value], flags: Sequence[bool], n: int) -> Value:
    ndim = node.outputs[0].aval.ndim
    x, value = _spread(b, xs[0], flags[0], n), _beside(b, xs[1], flags[1], ndim)
    return b.emit("setitem", x, value, index=((0, n, 1), *node.params["index"]))


def _concatenate(b: Builder, node: Node, xs: Sequence[Value], flags: Sequence[bool], n: int) -> Value:
    operands = [_spread(b, x, flag, n) for x, flag in zip(xs, flags, strict=True)]
    return b.emit("concatenate", *operands, axis=node.params["axis"] + 1)


def _pad(b: Builder, node: Node, xs: Sequence[Value], flags: Sequence[bool], n: int) -> Value | None:
    widths = node.params["pad_width"]
    if flags[1]:
        return None
    return b.emit("pad", *xs, pad_width=((0, 0), *widths) if widths else widths)


def _places(b: Builder, indices: Sequence[Value], flags: Sequence[bool], whole: bool, n: int) -> list[Value]:
    """Index arrays for all elements; if `whole`, of an operand that is itself a stack."""
    ndim = max((v.aval.ndim - flag for v, flag in zip(indices, flags, strict=True)), default=0)
    places = [_beside(b, v, flag, ndim) for v, flag in zip(indices, flags, strict=True)]
    return [Constant(np.arange(n).reshape(-1, *(1,) * ndim)), *places] if whole else places


def _gather(b: Builder, node: Node, xs: Sequence[Value], flags: Sequence[bool], n: int) -> Value:
    return b.emit("gather", xs[0], *_places(b, xs[1:], flags[1:], flags[0], n))


def _scatter(b: Builder, node: Node, xs: Sequence[Value], flags: Sequence[bool], n: int) -> Value:
    x, indices = _spread(b, xs[0], flags[0], n), xs[2:]
    ndim = max(v.aval.ndim - flag for v, flag in zip(indices, flags[2:], strict=True))
    updates = _beside(b, xs[1], flags[1], ndim + node.outputs[0].aval.ndim - len(indices))
    return b.emit("scatter", x, updates, *_places(b, indices, flags[2:], True, n), **node.params)


def _searchsorted(b: Builder, node: Node, xs: Sequence[Value], flags: Sequence[bool], n: int) -> Value | None:
    return None if flags[0] else b.emit("searchsorted", *xs, **node.params)


def _matmul(b: Builder, node: Node, xs: Sequence[Value], flags: Sequence[bool], n: int) -> Value:
    x, y = xs
    if flags == [True, False] and y.aval.ndim == 2:  # all rows of all elements in one product
        rows = math.prod(x.aval.shape[:-1])
        flat = b.emit("matmul", b.emit("reshape", x, shape=(rows, x.aval.shape[-1])), y)
        return b.emit("reshape", flat, shape=(n, *node.outputs[0].aval.shape))
    ndim = node.outputs[0].aval.ndim
    return b.emit("matmul", _beside(b, x, flags[0], ndim), _beside(b, y, flags[1], ndim))


def _einsum(b: Builder, node: Node, xs: Sequence[Value], flags: Sequence[bool], n: int) -> Value:
    terms, output = split_subscripts(node.params["subscripts"])
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    new = next(c for c in letters if c not in node.params["subscripts"])
    terms = [new + term if flag else term for term, flag in zip(terms, flags, strict=True)]
    return b.emit("einsum", *xs, subscripts=f"{','.join(terms)}->{new}{output}")


def _folded(b: Builder, node: Node, xs: Sequence[Value], flags: Sequence[bool], n: int) -> Value | None:
    """What treats the first axis of its first operand as a batch already, and takes the others as they are."""
    if any(flags[1:]):
        return None
    shape = xs[0].aval.shape
    flat = b.emit("reshape", xs[0], shape=(shape[0] * shape[1], *shape[2:]))
    result = b.emit(node.primitive, flat, *xs[1:], **node.params)
    return b.emit("reshape", result, shape=(n, *node.outputs[0].aval.shape))


def _pair_folded(b: Builder, node: Node, xs: Sequence[Value], flags: Sequence[bool], n: int) -> Value:
    """The same where both operands have the batch."""
    pair = [_spread(b, x, flag, n) for x, flag in zip(xs, flags, strict=True)]
    flat = [b.emit("reshape", x, shape=(n * x.aval.shape[1], *x.aval.shape[2:])) for x in pair]
    result = b.emit(node.primitive, *flat, **node.params)
    return b.emit("reshape", result, shape=(n, *node.outputs[0].aval.shape))


_along = _with(axis=lambda axis, n: axis + 1)

# What works on stacks of matrices, or along the last axis, whatever lies in front.
STACKS = frozenset(
    "identity stop_gradient real imag cholesky solve solve_triangular lstsq det cofactors slogdet lu qr svd eigh eig "
    "fft ifft rfft irfft top_k".split()
)

RULES: dict[str, Rule] = {
    **dict.fromkeys(
        ("sum", "prod", "max", "min", "any", "all"),
        _with(axis=lambda axis, n: tuple(i + 1 for i in axis)),
    ),
    **dict.fromkeys(("argmax", "argmin", "cumsum", "cumprod", "sort", "argsort"), _along),
    "reshape": _with(shape=lambda shape, n: (n, *shape)),
    "transpose": _with(axes=_transpose),
    "broadcast_to": _broadcast_to,
    "getitem": _with(index=lambda index, n: ((0, n, 1), *index)),
    "setitem": _setitem,
    "concatenate": _concatenate,
    "pad": _pad,
    "gather": _gather,
    "scatter": _scatter,
    "searchsorted": _searchsorted,
    "matmul": _matmul,
    "einsum": _einsum,
    **dict.fromkeys(("convolution", "convolution_transpose", "max_pool"), _folded),
    **dict.fromkeys(("max_pool_vjp", "max_pool_take"), _pair_folded),
}
