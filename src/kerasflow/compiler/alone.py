"""One node of a graph as a program of its own, for what looks at each operation."""

from __future__ import annotations

from collections.abc import Hashable

from kerasflow.graph import Constant, Graph, Node, Value
from kerasflow.primitives.builder import value_key


def alone(node: Node) -> tuple[Graph, list[int]]:
    """A graph of the node alone, and which of the node's operands are its inputs.

    The others are constants, or given already.
    """
    positions = sorted(i for value, i in _first_occurrences(node).items() if not isinstance(value, Constant))
    inputs = {node.inputs[i]: Value(node.inputs[i].aval) for i in positions}
    avals = [value.aval for value in node.outputs]
    single = Node(node.primitive, [inputs.get(v, v) for v in node.inputs], node.params, avals, node.scope)
    return Graph(list(inputs.values()), [single], list(single.outputs)), positions


def kind_of(node: Node) -> Hashable:
    """Equal for nodes whose programs are the same; as long as these nodes live, for constants go by identity."""
    order = _first_occurrences(node)
    operands = [
        value_key(value) if isinstance(value, Constant) else (value.aval, order[value])
        for value in node.inputs
    ]
    key = (node.primitive.name, tuple(operands), tuple(sorted(node.params.items())))
    try:
        hash(key)
    except TypeError:  # Not all parameters are hashable.
        return node
    return key


def _first_occurrences(node: Node) -> dict[Value, int]:
    return {value: i for i, value in reversed(list(enumerate(node.inputs)))}
