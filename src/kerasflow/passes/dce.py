"""Dead code elimination: nodes that no result depends on."""

from __future__ import annotations

from kerasflow.graph import Graph, needed


def eliminate_dead_code(graph: Graph) -> Graph:
    """The graph without the nodes that neither an output nor the new state needs."""
    keep = needed(graph.nodes, graph.results)
    return Graph(
        graph.inputs,
        [node for node in graph.nodes if node in keep],
        graph.outputs,
        graph.state_inputs,
        graph.state_outputs,
        graph.state_names,
    )
