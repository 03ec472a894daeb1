"""Sub-graphs: recording closed ones, applying them, and binding the loops that are made of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from kerasflow.graph import Constant, Graph, Node, ShapedArray, Value
from kerasflow.primitives import PRIMITIVES
from kerasflow.tracing.trace import Trace, recording, scope


def subgraph(function: Callable[..., Any], avals: Sequence[ShapedArray]) -> Graph:
    """A function of arrays of these types that uses nothing else, as a graph; it returns a list or a tuple."""
    trace = Trace()
    with recording(trace):
        return trace.graph(list(function(*map(trace.add_input, avals))))


def inlined(trace: Trace, graph: Graph, operands: Sequence[Any]) -> dict[Value, Any]:
    """Record a sub-graph's nodes in `trace`, applied to operands; what each value of the graph has become."""
    env: dict[Value, Any] = dict(zip(graph.inputs, operands, strict=True))
    for node in graph.nodes:
        _record(trace, node, env)
    return env


def inline(trace: Trace, graph: Graph, operands: Sequence[Any]) -> list[Any]:
    """Record a sub-graph's nodes in `trace`, applied to operands; its outputs."""
    env = inlined(trace, graph, operands)
    return [env[v] if v in env else trace.wrap(v) for v in graph.outputs]


def _record(trace: Trace, node: Node, env: dict[Value, Any]) -> None:
    operands = tuple(env[v] if v in env else trace.wrap(v) for v in node.inputs)
    with scope(node.scope):
        result = trace.bind(node.primitive, operands, node.params)
    env.update(zip(node.outputs, result if node.primitive.multiple_results else (result,), strict=True))


def bind_scan(
    trace: Trace,
    body: Graph,
    constants: Sequence[Any],
    carries: Sequence[Any],
    stacked: Sequence[Any],
    length: int,
    reverse: bool,
) -> tuple[list[Any], list[Any]]:
    """Record a scan; what its body computes from constants alone is recorded in front of it.

    Returns:
        The last carries and the stacked results.
    """
    if length:
        body, constants = _without_invariants(trace, body, constants)
    params = {
        "body": body,
        "length": length,
        "reverse": reverse,
        "constants": len(constants),
        "carries": len(carries),
    }
    results = trace.bind(PRIMITIVES["scan"], (*constants, *carries, *stacked), params)
    return list(results[: len(carries)]), list(results[len(carries) :])


def bind_while(
    trace: Trace,
    cond: Graph,
    body: Graph,
    constants: Sequence[Any],
    carries: Sequence[Any],
    maximum: int | None = None,
) -> list[Any]:
    """Record a loop with a condition; the last carries. What its body computes from constants alone goes in front."""
    body, given = _without_invariants(trace, body, constants)
    extra = [Value(v.aval) for v in body.inputs[len(constants) : len(given)]]
    inputs = cond.inputs
    cond = Graph([*inputs[: len(constants)], *extra, *inputs[len(constants) :]], cond.nodes, cond.outputs)
    constants = given
    params = {"cond": cond, "body": body, "constants": len(constants), "maximum": maximum}
    return list(trace.bind(PRIMITIVES["while_loop"], (*constants, *carries), params))


def _without_invariants(trace: Trace, body: Graph, constants: Sequence[Any]) -> tuple[Graph, list[Any]]:
    """A body without the nodes that give the same at each step, and its constants: the results of those are among them.

    The derivatives of weights are so taken with respect to what the steps use of them: a slice, a number cast.
    """
    known: dict[Value, Any] = dict(zip(body.inputs, constants, strict=False))
    nodes: list[Node] = []
    new: dict[Value, Value] = {}
    lifted: list[Value] = []

    def inside(value: Value) -> Value:
        if value in known and value not in new and value.node is not None:
            new[value] = Value(value.aval)
            lifted.append(value)
        return new.get(value, value)

    for node in body.nodes:
        if any(v in known for v in node.inputs) and all(
            v in known or isinstance(v, Constant) for v in node.inputs
        ):
            _record(trace, node, known)
            continue
        inputs = tuple(map(inside, node.inputs))
        if inputs != node.inputs:
            old = node
            node = Node(old.primitive, inputs, old.params, [v.aval for v in old.outputs], old.scope)
            new.update(zip(old.outputs, node.outputs, strict=True))
        nodes.append(node)
    outputs = list(map(inside, body.outputs))
    first, rest = body.inputs[: len(constants)], body.inputs[len(constants) :]
    graph = Graph([*first, *(new[v] for v in lifted), *rest], nodes, outputs)
    return graph, [*constants, *(known[v] for v in lifted)]


__all__ = ["bind_scan", "bind_while", "inline", "inlined", "subgraph"]
