"""Common subexpression elimination: the same primitive on the same values is computed once."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from kerasflow.graph import Constant, Graph, Node, Value
from kerasflow.passes.rewrite import Builder, rebuild

# Constants up to this many elements are compared by contents, larger ones by identity.
_SMALL = 64


def value_key(value: Value) -> Hashable:
    """What two values have in common if they are the same by what is known before the program runs."""
    if isinstance(value, Constant) and value.array.size <= _SMALL:
        return (value.aval, value.array.tobytes())
    return id(value.array) if isinstance(value, Constant) else value


def eliminate_common_subexpressions(graph: Graph) -> Graph:
    """The graph without repeated computations. Nodes whose parameters cannot be compared stay."""
    known: dict[Hashable, tuple[Value, ...]] = {}

    def visit(builder: Builder, node: Node, inputs: tuple[Value, ...]) -> Any:
        try:
            key = (node.primitive.name, tuple(map(value_key, inputs)), tuple(sorted(node.params.items())))
            if key in known:
                return known[key]
        except TypeError:
            return None
        known[key] = builder.keep(node, inputs)
        return known[key]

    return rebuild(graph, visit)
