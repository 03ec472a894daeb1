"""The nodes of a new graph, made one after the other: what every pass and backend that rewrites graphs writes with."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

from kerasflow.graph import Constant, Node, Primitive, Value, infer
from kerasflow.primitives import PRIMITIVES

# Constants up to this many elements are compared by contents, larger ones by identity.
_SMALL = 64


class Builder:
    """The nodes of the new graph so far.

    Attributes:
        scope: where the next nodes come from.
    """

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.scope = ""

    def emit(self, primitive: Primitive | str, *inputs: Value, **params: Any) -> Value:
        """A new node with one result; the result."""
        return self.emit_all(primitive, inputs, params)[0]

    def emit_all(
        self, primitive: Primitive | str, inputs: Sequence[Value], params: dict[str, Any]
    ) -> tuple[Value, ...]:
        """A new node; all its results."""
        if isinstance(primitive, str):
            primitive = PRIMITIVES[primitive]
        node = Node(primitive, inputs, params, infer(primitive, [v.aval for v in inputs], params), self.scope)
        self.nodes.append(node)
        return node.outputs

    def keep(
        self, node: Node, inputs: tuple[Value, ...], params: dict[str, Any] | None = None
    ) -> tuple[Value, ...]:
        """A node as it is, but for inputs, and parameters, that stand for the same; all its results."""
        if params is not None or inputs != node.inputs:
            params = node.params if params is None else params
            node = Node(node.primitive, inputs, params, [v.aval for v in node.outputs], node.scope)
        self.nodes.append(node)
        return node.outputs


class SharingBuilder(Builder):
    """Makes the same node, a primitive on the same values, once. Nodes whose parameters cannot be compared stay."""

    def __init__(self) -> None:
        super().__init__()
        self._known: dict[Hashable, tuple[Value, ...]] = {}

    def emit_all(
        self, primitive: Primitive | str, inputs: Sequence[Value], params: dict[str, Any]
    ) -> tuple[Value, ...]:
        key = _node_key(primitive, inputs, params)
        if key not in self._known:
            self._known[key] = super().emit_all(primitive, inputs, params)
        return self._known[key]

    def keep(
        self, node: Node, inputs: tuple[Value, ...], params: dict[str, Any] | None = None
    ) -> tuple[Value, ...]:
        key = _node_key(node.primitive, inputs, node.params if params is None else params)
        if key not in self._known:
            self._known[key] = super().keep(node, inputs, params)
        return self._known[key]


def value_key(value: Value) -> Hashable:
    """What two values have in common if they are the same by what is known before the program runs."""
    if isinstance(value, Constant) and value.array.size <= _SMALL:
        return (value.aval, value.array.tobytes())
    return id(value.array) if isinstance(value, Constant) else value


def _node_key(primitive: Primitive | str, inputs: Sequence[Value], params: dict[str, Any]) -> Hashable:
    """The same for nodes; one that no other node has if the parameters cannot be compared."""
    name = primitive if isinstance(primitive, str) else primitive.name
    key = (name, tuple(map(value_key, inputs)), tuple(sorted(params.items())))
    try:
        hash(key)
    except TypeError:
        return object()
    return key
