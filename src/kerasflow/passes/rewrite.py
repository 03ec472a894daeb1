"""What passes share: rebuilding a graph node by node."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from kerasflow.graph import Constant, Graph, Node, Value
from kerasflow.primitives.builder import Builder

# Constants of more elements than this are not searched for one value.
_LARGE = 1 << 20


Visitor = Callable[[Builder, Node, tuple[Value, ...]], Sequence[Value] | None]


def rebuild(graph: Graph, visit: Visitor, builder: Builder | None = None) -> Graph:
    """A new graph in which every node has been visited.

    Args:
        builder: takes the new nodes; one of its own kind if None.
        visit: `visit(builder, node, inputs)` gets a node of the old graph and
            its inputs in the new one; it returns the values that take the place of
            the node's results, or None to keep the node as it is.
    """
    builder = builder or Builder()
    env: dict[Value, Value] = {}
    for node in graph.nodes:
        builder.scope = node.scope
        inputs = tuple(env.get(v, v) for v in node.inputs)
        results = visit(builder, node, inputs)
        if results is None:
            results = builder.keep(node, inputs)
        env.update(zip(node.outputs, results, strict=True))
    return Graph(
        inputs=graph.inputs,
        nodes=builder.nodes,
        outputs=[env.get(v, v) for v in graph.outputs],
        state_inputs=graph.state_inputs,
        state_outputs=[env.get(v, v) for v in graph.state_outputs],
        state_names=graph.state_names,
    )


def uniform_value(value: Value) -> Any:
    """The scalar that every element of a constant is, to the bit, or None.

    Broadcast scalars count as the constants that they are.
    """
    while value.node is not None and value.node.primitive.name in ("broadcast_to", "reshape"):
        value = value.node.inputs[0]
    if not isinstance(value, Constant) or value.array.size == 0:
        return None
    array = value.array
    first = array.flat[0]
    if array.size == 1 or not any(array.strides):
        return first
    # By bytes: zeros of both signs are equal but not the same, NaNs the other way round.
    if array.size > _LARGE or array.flat[-1].tobytes() != first.tobytes():
        return None
    return first if array.tobytes() == first.tobytes() * array.size else None
