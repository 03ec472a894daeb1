"""Scans over the same data with the same steps are one scan.

The rule for a scan's derivative records the scan again with further results: a
body that shares the first one's inputs and nodes (`autodiff.rules.scans`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable
from typing import Any

from kerasflow.graph import Graph, Node, Value
from kerasflow.passes.rewrite import rebuild
from kerasflow.primitives.builder import Builder, value_key


def merge_scans(graph: Graph) -> Graph:
    """The graph with one scan for all that step alike; sub-graphs are left as they are."""
    alike: dict[Hashable, list[Node]] = defaultdict(list)
    for node in graph.nodes:
        if node.primitive.name == "scan":
            alike[_key(node, node.inputs)].append(node)
    groups = {node: group for group in alike.values() if len(group) > 1 for node in group}
    if not groups:
        return graph
    merged: dict[int, dict[Any, Value]] = {}

    def visit(builder: Builder, node: Node, inputs: tuple[Value, ...]) -> Any:
        group = groups.get(node)
        if group is None:
            return None
        if id(group) not in merged:
            merged[id(group)] = _emit(builder, group, inputs)
        results = merged[id(group)]
        carries = node.params["carries"]
        outputs = node.params["body"].outputs
        # A carry can be a stacked result too: they are told apart by their places.
        return [results[i if i < carries else v] for i, v in enumerate(outputs)]

    return rebuild(graph, visit)


def _key(node: Node, inputs: tuple[Value, ...]) -> Hashable:
    params = node.params
    rest = tuple(params[name] for name in ("length", "reverse", "constants", "carries"))
    carries = tuple(params["body"].outputs[: params["carries"]])
    return (tuple(map(value_key, inputs)), rest, tuple(params["body"].inputs), carries)


def _emit(builder: Builder, group: list[Node], inputs: tuple[Value, ...]) -> dict[Any, Value]:
    """The scan with the results of all: carries by their number, stacked results by the body's value."""
    bodies = [node.params["body"] for node in group]
    carries = group[0].params["carries"]
    nodes = list(dict.fromkeys(n for body in bodies for n in body.nodes))
    stacked = list(dict.fromkeys(v for body in bodies for v in body.outputs[carries:]))
    body = Graph(bodies[0].inputs, nodes, [*bodies[0].outputs[:carries], *stacked])
    results = builder.emit_all("scan", inputs, {**group[0].params, "body": body})
    return {**dict(enumerate(results[:carries])), **dict(zip(stacked, results[carries:], strict=True))}
