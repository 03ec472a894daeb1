"""Linear combinations `a * x + b * y` with scalars a and b, as one operation, where state is updated.

An optimizer's moments and updates are such combinations; written out they are
two to four passes over memory. Regrouping changes the last bits.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from kerasflow.graph import Constant, Graph, Node, Primitive, ShapedArray, Value
from kerasflow_numpy.plan.fusion import before_rows

Emit = Callable[..., Value]


def _rule(x: ShapedArray, y: ShapedArray, a: ShapedArray, b: ShapedArray) -> ShapedArray:
    return y


axpby = Primitive("axpby", lambda x, y, a, b: a * x + b * y, _rule, elementwise=True)


def updates(graph: Graph) -> set[Node]:
    """The nodes that lead to new state element by element: where combinations are looked for."""
    found: set[Node] = set()
    for now in graph.changes.values():
        pending = [before_rows(now)] if now.aval.size > 1 else []
        while pending:
            value = pending.pop()
            node = value.node
            if (
                value.aval == now.aval
                and node is not None
                and node.primitive.elementwise
                and node not in found
            ):
                found.add(node)
                pending.extend(node.inputs)
    return found


def combine(emit: Emit, node: Node, inputs: tuple[Value, ...]) -> Value | None:
    """`x + y` or `x - y` as one operation, if one of the two is scaled.

    Args:
        emit: `emit(primitive, *inputs, **params)` makes a node.
        node: an addition or a subtraction. inputs: its operands in the new graph.
    """
    aval = node.outputs[0].aval
    if aval.dtype.char not in "fd" or any(v.aval != aval or isinstance(v, Constant) for v in inputs):
        return None
    x, y = inputs
    negative = node.primitive.name == "subtract"
    if not negative and _factor(y) is None:
        x, y = y, x
    b = _factor(y)
    if b is None:
        return None
    scalar = _scalar(emit, b)
    y = _without_factor(emit, y)
    difference = y.node
    if not negative and difference is not None and difference.primitive.name == "subtract":
        z, other = difference.inputs
        if other is x and isinstance(z, Constant) and z.aval.ndim == 0 and z.array == 0:
            return emit("multiply", x, _minus(emit, _number(1, aval.dtype), scalar))
        if other is x and z.aval == aval:  # x + (z - x) * b = b * z + (1 - b) * x
            return emit(axpby, z, x, scalar, _minus(emit, _number(1, aval.dtype), scalar))
    a = _factor(x)
    rest = _number(1, aval.dtype) if a is None else _scalar(emit, a)
    x = x if a is None else _without_factor(emit, x)
    return emit(axpby, y, x, _minus(emit, _number(0, aval.dtype), scalar) if negative else scalar, rest)


@functools.cache
def _number(number: float, dtype: np.dtype[Any]) -> Constant:
    return Constant(np.asarray(number, dtype))


def _split(node: Node) -> tuple[Value, Value] | None:
    """The scalar and the array of a product."""
    for scalar, array in (node.inputs, node.inputs[::-1]):
        if scalar.aval.size == 1 and array.aval == node.outputs[0].aval:
            return scalar, array
    return None


def _factor(value: Value) -> Value | None:
    """The scalar by which the value is multiplied: c in `c * m`, and in `(c * m) / d`."""
    node = value.node
    if node is None:
        return None
    if node.primitive.name == "multiply":
        split = _split(node)
        return split[0] if split else None
    if node.primitive.name == "divide" and node.inputs[0].aval == value.aval:
        return _factor(node.inputs[0])
    return None


def _without_factor(emit: Emit, value: Value) -> Value:
    """The value without its scalar factor."""
    node = value.node
    assert node is not None
    if node.primitive.name == "multiply":
        split = _split(node)
        assert split is not None
        return split[1]
    return emit("divide", _without_factor(emit, node.inputs[0]), node.inputs[1])


def _scalar(emit: Emit, value: Value) -> Value:
    if isinstance(value, Constant):
        return Constant(value.array.reshape(()))
    return value if value.aval.shape == () else emit("reshape", value, shape=())


def _minus(emit: Emit, x: Constant, y: Value) -> Value:
    return Constant(x.array - y.array) if isinstance(y, Constant) else emit("subtract", x, y)
