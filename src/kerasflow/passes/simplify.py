"""Algebraic simplification: local rules, each a few lines, in one table by primitive.

A rule gets the builder, the node's inputs in the new graph and its parameters; it
returns the value that replaces the result, or None. Rules keep every bit of
the result: rounding, the sign of zeros, infinities, integers that wrap. Only a
NaN may become another NaN.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from kerasflow.graph import Constant, Graph, Node, Primitive, Value
from kerasflow.passes.rewrite import rebuild, uniform_value
from kerasflow.primitives.builder import Builder
from kerasflow.primitives.elementwise import broadcast_shapes

Rule = Callable[..., Value | None]


def made_by(value: Value, *names: str) -> Node | None:
    """The node that makes the value, if it is one of these primitives."""
    return value.node if value.node is not None and value.node.primitive.name in names else None


def _is(value: Value, number: float) -> bool:
    """Whether the value is a constant with this number everywhere."""
    found = uniform_value(value)
    return found is not None and bool(found == number)


def _scalar(value: Value) -> Constant | None:
    """The 0-d constant that the value is everywhere, or None."""
    found = uniform_value(value)
    return None if found is None else Constant(np.asarray(found, value.aval.dtype))


def _fits(x: Value, y: Value) -> bool:
    """Whether an operation of x and y has x's shape and dtype."""
    same = x.aval.dtype == y.aval.dtype
    return same and broadcast_shapes(x.aval.shape, y.aval.shape) == x.aval.shape


def _negated(value: Value, dtype: np.dtype[Any]) -> Value | None:
    """What the value is the negative of; not if it is negated in one dtype and used in another."""
    node = made_by(value, "negative")
    return node.inputs[0] if node is not None and value.aval.dtype == dtype else None


# -- identities ---------------------------------------------------------------------------------------------


def _forward(b: Builder, x: Value, **_: Any) -> Value:
    return x


def _no_change(zero: Value, negative: bool) -> bool:
    """Whether adding the value changes nothing, for floating-point numbers a zero of the one sign only."""
    found = uniform_value(zero)
    if found is None or found != 0:
        return False
    return zero.aval.dtype.kind in "iub" or (
        zero.aval.dtype.kind in "fV" and bool(np.signbit(found)) == negative
    )


def _add(b: Builder, x: Value, y: Value) -> Value | None:
    for one, other in ((x, y), (y, x)):
        if _fits(one, other) and _no_change(other, negative=True):
            return one
    for one, other in ((x, y), (y, x)):
        if (z := _negated(other, one.aval.dtype)) is not None:
            return b.emit("subtract", one, z)
    return None


def _subtract(b: Builder, x: Value, y: Value) -> Value | None:
    if _fits(x, y) and _no_change(y, negative=False):
        return x
    if (z := _negated(y, x.aval.dtype)) is not None:
        return b.emit("add", x, z)
    return None


def _multiply(b: Builder, x: Value, y: Value) -> Value | None:
    for other, factor in ((x, y), (y, x)):
        if not _fits(other, factor) or factor.aval.dtype.kind == "c":
            continue
        if _is(factor, 1):
            return other
        if _is(factor, -1):
            return b.emit("negative", other)
        c = _scalar(factor)
        if c is None or c.aval.dtype.kind != "f":
            continue
        if (positive := _negated(other, c.aval.dtype)) is not None:
            return b.emit("multiply", positive, Constant(np.negative(c.array, out=np.empty_like(c.array))))
    for one, other in ((y, x), (x, y)):
        if _fits(other, one) and (positive := _negated(one, other.aval.dtype)) is not None:
            return b.emit("negative", b.emit("multiply", other, positive))
    return None


def _divide(b: Builder, x: Value, y: Value) -> Value | None:
    c = _scalar(y)
    if c is None or c.aval.dtype.kind != "f" or not _fits(x, y):
        return None
    if c.array == 1:
        return x
    mantissa, _ = np.frexp(float(c.array))
    with np.errstate(all="ignore"):
        inverse = np.asarray(1 / c.array, c.aval.dtype)
    # Exact for powers of two, but for those whose inverse overflows (and the slow ones, whose inverse is subnormal).
    if abs(mantissa) == 0.5 and np.finfo(inverse.dtype).tiny <= abs(inverse) < np.inf:
        return b.emit("multiply", x, Constant(inverse))
    return None


def _negative(b: Builder, x: Value) -> Value | None:
    if (node := made_by(x, "negative")) is not None:
        return node.inputs[0]
    # Not for floating-point numbers: the difference of equal ones is 0 both ways round, never -0.
    node = made_by(x, "subtract")
    if (
        node is not None
        and x.aval.dtype.kind in "iu"
        and all(v.aval.dtype == x.aval.dtype for v in node.inputs)
    ):
        return b.emit("subtract", node.inputs[1], node.inputs[0])
    return None


def _power(b: Builder, x: Value, y: Value) -> Value | None:
    """NumPy's own short cuts for one exponent (not for a whole array of equal ones): before 2.3, those of `**`."""
    while (node := made_by(y, "broadcast_to", "reshape")) is not None:
        y = node.inputs[0]
    if not isinstance(y, Constant) or y.aval.size != 1 or not _fits(x, y):
        return None
    kind, exponent = x.aval.dtype.kind, y.array.item()
    if exponent == 1 and kind in "fiu":
        return x
    if exponent == 2 and kind in "fiu":
        return b.emit("square", x)
    if exponent == -1 and kind == "f":
        return b.emit("reciprocal", x)
    if exponent == 0.5 and x.aval.dtype in (np.float32, np.float64):
        return b.emit("sqrt", x)
    return None


def _where(b: Builder, condition: Value, x: Value, y: Value) -> Value | None:
    known = uniform_value(condition)
    if known is None:
        return None
    chosen = x if known else y
    shape = broadcast_shapes(condition.aval.shape, x.aval.shape, y.aval.shape)
    return chosen if chosen.aval.shape == shape else b.emit("broadcast_to", chosen, shape=shape)


def _astype(b: Builder, x: Value, dtype: Any) -> Value | None:
    return x if x.aval.dtype == dtype else None


# -- complex numbers ----------------------------------------------------------------------------------------


def _conjugate(b: Builder, x: Value) -> Value | None:
    if x.aval.dtype.kind in "iufV":
        return x
    node = made_by(x, "conjugate")
    return None if node is None else node.inputs[0]


def _part_of(i: int) -> Rule:
    """The part of a number that was put together."""

    def rule(b: Builder, x: Value) -> Value | None:
        node = made_by(x, "complex")
        return node.inputs[i] if node is not None and node.inputs[i].aval.shape == x.aval.shape else None

    return rule


def _complex(b: Builder, x: Value, y: Value) -> Value | None:
    real, imag = made_by(x, "real"), made_by(y, "imag")
    if real is None or imag is None or real.inputs[0] is not imag.inputs[0]:
        return None
    return real.inputs[0]


# -- views --------------------------------------------------------------------------------------------------


def _reshape(b: Builder, x: Value, shape: tuple[int, ...]) -> Value | None:
    if x.aval.shape == shape:
        return x
    if (node := made_by(x, "reshape")) is not None:
        inner = node.inputs[0]
        return inner if inner.aval.shape == shape else b.emit("reshape", inner, shape=shape)
    if (node := made_by(x, "broadcast_to")) is not None and node.inputs[0].aval.size == 1:
        return b.emit("broadcast_to", b.emit("reshape", node.inputs[0], shape=()), shape=shape)
    return None


def _transpose(b: Builder, x: Value, axes: tuple[int, ...]) -> Value | None:
    unchanged = tuple(range(len(axes)))
    if axes == unchanged:
        return x
    if (node := made_by(x, "transpose")) is not None:
        both = tuple(node.params["axes"][i] for i in axes)
        return node.inputs[0] if both == unchanged else b.emit("transpose", node.inputs[0], axes=both)
    return None


def _broadcast_to(b: Builder, x: Value, shape: tuple[int, ...]) -> Value | None:
    if x.aval.shape == shape:
        return x
    if (node := made_by(x, "broadcast_to")) is not None:
        return b.emit("broadcast_to", node.inputs[0], shape=shape)
    return None


def _setitem(b: Builder, x: Value, value: Value, index: Any) -> Value | None:
    full = all(range(n)[slice(*triple)] == range(n) for triple, n in zip(index, x.aval.shape, strict=True))
    return value if full and value.aval == x.aval else None


def _gather(b: Builder, x: Value, *indices: Value) -> Value | None:
    """An axis that is taken whole, and comes last among the indexed ones, needs no index: rows are taken, not elements.

    `take_along_axis` has one for each axis behind its own where its indices are broadcast along that.
    """
    *others, last = indices
    n = x.aval.shape[len(others)]
    if not isinstance(last, Constant) or last.aval.shape[-1:] != (n,) or last.aval.size != n:
        return None
    if (
        any(v.aval.shape[-1:] not in ((), (1,)) for v in others)
        or (last.array.reshape(n) != np.arange(n)).any()
    ):
        return None
    shape = broadcast_shapes(*(v.aval.shape for v in indices)) + x.aval.shape[len(indices) :]
    rest = [_without_last_axis(b, v) for v in others]
    return b.emit("reshape", b.emit("gather", x, *rest) if rest else x, shape=shape)


def _without_last_axis(b: Builder, index: Value) -> Value:
    shape = index.aval.shape[:-1]
    if isinstance(index, Constant):
        return Constant(index.array.reshape(shape))
    return b.emit("reshape", index, shape=shape)


def _sum(b: Builder, x: Value, axis: tuple[int, ...], keepdims: bool) -> Value | None:
    if any(x.aval.shape[i] != 1 for i in axis):
        return None
    shape = tuple(n for i, n in enumerate(x.aval.shape) if keepdims or i not in axis)
    if x.aval.dtype.kind not in "iub":
        x = b.emit("add", x, Constant(np.zeros((), x.aval.dtype)))  # NumPy's sum of -0 is 0.
    return b.emit("reshape", x, shape=shape)


RULES: dict[str, Rule] = {
    "identity": _forward,
    "stop_gradient": _forward,
    "add": _add,
    "subtract": _subtract,
    "multiply": _multiply,
    "divide": _divide,
    "negative": _negative,
    "power": _power,
    "where": _where,
    "astype": _astype,
    "conjugate": _conjugate,
    "real": _part_of(0),
    "imag": _part_of(1),
    "complex": _complex,
    "reshape": _reshape,
    "transpose": _transpose,
    "broadcast_to": _broadcast_to,
    "setitem": _setitem,
    "gather": _gather,
    "sum": _sum,
}


def _without_broadcasts(node: Node, inputs: tuple[Value, ...]) -> tuple[Value, ...]:
    """The inputs of an element-by-element node, not broadcast before where the operation does it anyway."""
    shape = node.outputs[0].aval.shape
    result = list(inputs)
    for i, value in enumerate(inputs):
        broadcast = made_by(value, "broadcast_to")
        candidate = value if broadcast is None else broadcast.inputs[0]
        # NumPy's power with one exponent is another function than with an array of them.
        if isinstance(candidate, Constant) and candidate.aval.size > 1 and node.primitive.name != "power":
            candidate = _scalar(candidate) or candidate
        if candidate is value:
            continue
        shapes = [v.aval.shape for j, v in enumerate(result) if j != i]
        if broadcast_shapes(candidate.aval.shape, *shapes) == shape:
            result[i] = candidate
    return tuple(result)


class _Simplifier(Builder):
    """Applies the rules to what the rules themselves emit."""

    def emit(self, primitive: Primitive | str, *inputs: Value, **params: Any) -> Value:
        rule = RULES.get(primitive if isinstance(primitive, str) else primitive.name)
        found = rule(self, *inputs, **params) if rule else None
        return super().emit(primitive, *inputs, **params) if found is None else found


def simplify(graph: Graph) -> Graph:
    """The graph with every rule applied wherever it can be."""

    def visit(builder: Builder, node: Node, inputs: tuple[Value, ...]) -> Any:
        if node.primitive.elementwise:
            inputs = _without_broadcasts(node, inputs)
        if node.primitive.name == "custom_vjp":
            return inputs[-len(node.outputs) :]  # Its derivative has been taken.
        rule = RULES.get(node.primitive.name)
        found = rule(builder, *inputs, **node.params) if rule else None
        return [found] if found is not None else builder.keep(node, inputs)

    return rebuild(graph, visit, _Simplifier())
