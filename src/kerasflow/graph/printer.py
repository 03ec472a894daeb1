"""Graphs as text, one line a node."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from kerasflow.graph.graph import Constant, Graph, Node, Value
from kerasflow.graph.naming import printable


def _format_param(param: Any) -> str:
    if isinstance(param, Graph):
        return "{graph}"
    if isinstance(param, tuple):
        return f"({', '.join(map(_format_param, param))}{',' if len(param) == 1 else ''})"
    if isinstance(param, np.dtype):
        return param.name
    if callable(param):
        return getattr(param, "__name__", type(param).__name__)
    return repr(param)


def format_params(params: dict[str, Any]) -> list[str]:
    """A node's parameters, each as `name=value`."""
    return [f"{key}={_format_param(param)}" for key, param in params.items()]


def format_origins(nodes: Iterable[Node]) -> str:
    """The nodes' primitives and where each comes from, as a message names them; each once."""
    return ", ".join(
        dict.fromkeys(
            f"`{n.primitive.name}`" + (f" (in {printable(n.scope)})" if n.scope else "") for n in nodes
        )
    )


def split_scope(scope: str) -> tuple[str, bool]:
    """A node's scope as the layer that it comes from ("" if unknown), and whether it is a part of its derivative."""
    gradient = scope == "grad" or scope.startswith("grad ")
    return scope.removeprefix("grad").lstrip() if gradient else scope, gradient


def format_graph(graph: Graph, indent: str = "") -> str:
    """A readable listing: arguments, one line for each node, results."""
    names: dict[Value, str] = {}

    def name(value: Value) -> str:
        if isinstance(value, Constant):
            if value.aval.size == 1:
                return repr(value.array.item())
            return f"<constant {value.aval}>"
        if value not in names:
            names[value] = f"v{len(names)}"
        return names[value]

    def typed(value: Value) -> str:
        return f"{name(value)}:{value.aval}"

    labels = graph.state_names + [""] * len(graph.state_inputs)
    lines = [
        *(
            f"state {typed(v)} {printable(label)}".rstrip()
            for v, label in zip(graph.state_inputs, labels, strict=False)
        ),
        *(f"input {typed(v)}" for v in graph.inputs),
    ]
    for node in graph.nodes:
        call = ", ".join([name(v) for v in node.inputs] + format_params(node.params))
        results = ", ".join(typed(v) for v in node.outputs)
        comment = f"  # {printable(node.scope)}" if node.scope else ""
        lines.append(f"{results} = {node.primitive.name}({call}){comment}")
        for sub in node.subgraphs:
            lines.extend(format_graph(sub, indent="    ").splitlines())
    lines.append("return " + ", ".join(name(v) for v in graph.outputs))
    # Not strict: a graph that the verifier refuses is printed too.
    for before, now in zip(graph.state_inputs, graph.state_outputs, strict=False):
        if before is not now:
            lines.append(f"state {name(before)} <- {name(now)}")
    return "\n".join(indent + line for line in lines)
