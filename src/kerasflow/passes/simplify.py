"""Algebraic simplification: local rules, each a few lines, in one table by primitive.

A rule gets the builder, the node's inputs in the new graph and its parameters; it
returns the value that replaces the result, or None. Rules keep every bit of
the result, with one exception: products with several constants are regrouped.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from kerasflow.graph import Constant, Graph, Node, Value
from kerasflow.passes.rewrite import Builder, rebuild, uniform_value

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


def _fits(value: Value, shape: tuple[int, ...]) -> bool:
    return value.aval.shape == shape


# -- identities ---------------------------------------------------------------------------------------------


def _forward(b: Builder, x: Value, **_: Any) -> Value:
    return x


def _add(b: Builder, x: Value, y: Value) -> Value | None:
    shape = np.broadcast_shapes(x.aval.shape, y.aval.shape)
    if _is(y, 0) and _fits(x, shape):
        return x
    if _is(x, 0) and _fits(y, shape):
        return y
    if node := made_by(y, "negative"):
        return b.emit("subtract", x, node.inputs[0])
    if node := made_by(x, "negative"):
        return b.emit("subtract", y, node.inputs[0])
    return None


def _subtract(b: Builder, x: Value, y: Value) -> Value | None:
    shape = np.broadcast_shapes(x.aval.shape, y.aval.shape)
    if _is(y, 0) and _fits(x, shape):
        return x
    if node := made_by(y, "negative"):
        return b.emit("add", x, node.inputs[0])
    return None


def _multiply(b: Builder, x: Value, y: Value) -> Value | None:
    shape = np.broadcast_shapes(x.aval.shape, y.aval.shape)
    for factor, other in ((y, x), (x, y)):
        if not _fits(other, shape):
            continue
        if _is(factor, 1):
            return other
        if _is(factor, -1):
            return b.emit("negative", other)
        c = _scalar(factor)
        if c is None or c.aval.dtype.kind != "f":
            continue
        # (z * d) * c = z * (d * c), (z / d) * c = z * (c / d), (-z) * c = z * -c
        if node := made_by(other, "multiply"):
            for d_value, z in (node.inputs, node.inputs[::-1]):
                d = _scalar(d_value)
                if d is not None and _fits(z, shape):
                    return b.emit("multiply", z, Constant(d.array * c.array))
        if node := made_by(other, "negative"):
            return b.emit("multiply", node.inputs[0], Constant(-c.array))
    for one, other in ((y, x), (x, y)):
        if (node := made_by(one, "negative")) and _fits(other, shape):
            return b.emit("negative", b.emit("multiply", other, node.inputs[0]))
    return None


def _divide(b: Builder, x: Value, y: Value) -> Value | None:
    shape = np.broadcast_shapes(x.aval.shape, y.aval.shape)
    if not _fits(x, shape):
        return None
    c = _scalar(y)
    if c is None or c.aval.dtype.kind != "f":
        return None
    if c.array == 1:
        return x
    mantissa, _ = np.frexp(c.array.astype(np.float64))
    if abs(float(mantissa)) == 0.5 and c.array != 0:
        return b.emit("multiply", x, Constant(np.asarray(1 / c.array, c.aval.dtype)))  # exact
    return None


def _negative(b: Builder, x: Value) -> Value | None:
    if node := made_by(x, "negative"):
        return node.inputs[0]
    if node := made_by(x, "subtract"):
        return b.emit("subtract", node.inputs[1], node.inputs[0])
    return None


def _power(b: Builder, x: Value, y: Value) -> Value | None:
    c = _scalar(y)
    if c is None or not _fits(x, np.broadcast_shapes(x.aval.shape, y.aval.shape)):
        return None
    simpler = {1.0: None, 2.0: "square", 0.5: "sqrt", -1.0: "reciprocal"}
    exponent = float(c.array)
    if exponent not in simpler or (x.aval.dtype.kind != "f" and exponent not in (1.0, 2.0)):
        return None
    name = simpler[exponent]
    return x if name is None else b.emit(name, x)


def _astype(b: Builder, x: Value, dtype: Any) -> Value | None:
    return x if x.aval.dtype == dtype else None


# -- views --------------------------------------------------------------------------------------------------


def _reshape(b: Builder, x: Value, shape: tuple[int, ...]) -> Value | None:
    if x.aval.shape == shape:
        return x
    if node := made_by(x, "reshape"):
        inner = node.inputs[0]
        return inner if inner.aval.shape == shape else b.emit("reshape", inner, shape=shape)
    if (node := made_by(x, "broadcast_to")) and node.inputs[0].aval.size == 1:
        return b.emit("broadcast_to", _squeezed(b, node.inputs[0]), shape=shape)
    return None


def _squeezed(b: Builder, x: Value) -> Value:
    return x if x.aval.shape == () else b.emit("reshape", x, shape=())


def _transpose(b: Builder, x: Value, axes: tuple[int, ...]) -> Value | None:
    if axes == tuple(range(len(axes))):
        return x
    if node := made_by(x, "transpose"):
        inner = tuple(node.params["axes"][i] for i in axes)
        return b.emit("transpose", node.inputs[0], axes=inner)
    return None


def _broadcast_to(b: Builder, x: Value, shape: tuple[int, ...]) -> Value | None:
    if x.aval.shape == shape:
        return x
    if node := made_by(x, "broadcast_to"):
        return b.emit("broadcast_to", node.inputs[0], shape=shape)
    return None


def _setitem(b: Builder, x: Value, value: Value, index: Any) -> Value | None:
    full = all(triple[0] == 0 and triple[1] in (n, None) and triple[2] == 1 for triple, n in zip(index, x.aval.shape, strict=True))
    return value if full and value.aval.shape == x.aval.shape else None


def _sum(b: Builder, x: Value, axis: tuple[int, ...], keepdims: bool) -> Value | None:
    shape = tuple(1 if i in axis else n for i, n in enumerate(x.aval.shape))
    target = shape if keepdims else tuple(n for i, n in enumerate(shape) if i not in axis)
    if all(x.aval.shape[i] == 1 for i in axis):
        return b.emit("reshape", x, shape=target)
    if (node := made_by(x, "broadcast_to")) and node.inputs[0].aval.size == 1:
        count = int(np.prod([x.aval.shape[i] for i in axis]))
        one = b.emit("multiply", _squeezed(b, node.inputs[0]), Constant(np.asarray(count, x.aval.dtype)))
        return b.emit("broadcast_to", one, shape=target)
    return None


RULES: dict[str, Rule] = {
    "identity": _forward,
    "stop_gradient": _forward,
    "add": _add,
    "subtract": _subtract,
    "multiply": _multiply,
    "divide": _divide,
    "negative": _negative,
    "power": _power,
    "astype": _astype,
    "reshape": _reshape,
    "transpose": _transpose,
    "broadcast_to": _broadcast_to,
    "setitem": _setitem,
    "sum": _sum,
}


def _without_broadcasts(node: Node, inputs: tuple[Value, ...]) -> tuple[Value, ...]:
    """The inputs of an element-by-element node, not broadcast before where the operation does it anyway."""
    shape = node.outputs[0].aval.shape
    result = list(inputs)
    for i, value in enumerate(inputs):
        source = value
        if broadcast := made_by(value, "broadcast_to"):
            source = broadcast.inputs[0]
        scalar = _scalar(source) if source.aval.size > 1 else None
        candidate = scalar if scalar is not None else source
        if candidate is value:
            continue
        shapes = [v.aval.shape for j, v in enumerate(result) if j != i]
        if np.broadcast_shapes(candidate.aval.shape, *shapes) == shape:
            result[i] = candidate
    return tuple(result)


def simplify(graph: Graph) -> Graph:
    """The graph with every rule applied once to every node."""

    def visit(builder: Builder, node: Node, inputs: tuple[Value, ...]) -> Any:
        if node.primitive.elementwise:
            inputs = _without_broadcasts(node, inputs)
        rule = RULES.get(node.primitive.name)
        found = rule(builder, *inputs, **node.params) if rule else None
        if found is not None:
            return [found]
        return builder.emit_all(node.primitive, inputs, node.params)

    return rebuild(graph, visit)
