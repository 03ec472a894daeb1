"""Facts about graphs that passes and backends share: who uses a value, what is needed, when a value dies."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from kerasflow.graph.graph import Constant, Graph, Node, Value


def users(graph: Graph) -> dict[Value, list[Node]]:
    """The nodes that read each value, in order; a node that reads it twice is listed once."""
    result: dict[Value, list[Node]] = defaultdict(list)
    for node in graph.nodes:
        for value in dict.fromkeys(node.inputs):
            result[value].append(node)
    return result


def all_nodes(graph: Graph) -> Iterator[Node]:
    """The nodes of a graph and of its sub-graphs."""
    for node in graph.nodes:
        yield node
        for sub in node.subgraphs:
            yield from all_nodes(sub)


def needed(nodes: Iterable[Node], results: Iterable[Value]) -> set[Node]:
    """The nodes among `nodes` (in execution order) that the results depend on."""
    live = {v.node for v in results if v.node is not None}
    keep: set[Node] = set()
    for node in reversed(list(nodes)):
        if node in live:
            keep.add(node)
            live.update(v.node for v in node.inputs if v.node is not None)
    return keep


def last_uses(graph: Graph) -> dict[Value, int]:
    """The index of the last node that reads each value.

    A result of the graph lives to the end (`len(graph.nodes)`); a value that
    nobody reads has the index of its own node.
    """
    last: dict[Value, int] = {}
    for i, node in enumerate(graph.nodes):
        for value in (*node.inputs, *node.outputs):
            last[value] = i
    for value in graph.results:
        last[value] = len(graph.nodes)
    return {value: i for value, i in last.items() if not isinstance(value, Constant)}
