"""The verifier: run after tracing and after every pass, so that a broken graph is found where it was broken."""

from __future__ import annotations

from typing import NoReturn

from kerasflow.errors import GraphError
from kerasflow.graph.graph import Constant, Graph, Node, Value, infer
from kerasflow.graph.printer import format_graph


def verify(graph: Graph, after: str = "tracing", checked: set[Node] | None = None) -> None:
    """Check single assignment, order, shapes and dtypes, in sub-graphs too.

    Args:
        after: the name of the transformation that made the graph, for the message.
        checked: nodes whose types are known to be right; those checked now are added.

    Raises:
        GraphError: naming the transformation, the node and what is wrong.
    """

    def fail(message: str) -> NoReturn:
        raise GraphError(f"Invalid graph after {after}: {message}\n{format_graph(graph)}")

    checked = set() if checked is None else checked
    defined: set[Value] = set()
    for value in graph.arguments:
        if value in defined:
            fail("an argument appears twice")
        if isinstance(value, Constant) or value.node is not None:
            fail("an argument is a constant or the result of a node")
        defined.add(value)
    for node in graph.nodes:
        name = node.primitive.name
        for value in node.inputs:
            if value not in defined and not isinstance(value, Constant):
                fail(f"`{name}` reads a value that is not defined before it")
        for value in node.outputs:
            if value in defined or value.node is not node:
                fail(f"a result of `{name}` is assigned twice or belongs to another node")
            defined.add(value)
        if node in checked:
            continue
        checked.add(node)
        for sub in node.subgraphs:
            verify(sub, after)
        try:
            expected = infer(node.primitive, [v.aval for v in node.inputs], node.params)
        except (ValueError, TypeError) as error:
            fail(f"`{name}` does not fit its operands: {error}")
        found = tuple(v.aval for v in node.outputs)
        if expected != found:
            fail(f"`{name}` gives {[str(a) for a in expected]}, the graph says {[str(a) for a in found]}")
    for value in graph.results:
        if value not in defined and not isinstance(value, Constant):
            fail("a result of the graph is never computed")
    if len(graph.state_outputs) != len(graph.state_inputs):
        fail(f"{len(graph.state_inputs)} state inputs but {len(graph.state_outputs)} state outputs")
    if len(graph.state_names) not in (0, len(graph.state_inputs)):
        fail(f"{len(graph.state_inputs)} state inputs but {len(graph.state_names)} names for them")
    for before, now in zip(graph.state_inputs, graph.state_outputs, strict=True):
        if before.aval != now.aval:
            fail(f"state changes its type from {before.aval} to {now.aval}")
