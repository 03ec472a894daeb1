"""The parts of a step, in the order in which one reads them: forward, loss, gradients, update, metrics."""

from __future__ import annotations

from kerasflow.graph import Graph, Node, split_scope

FORWARD, LOSS, GRADIENTS, UPDATE, METRICS = SECTIONS = ("forward", "loss", "gradients", "update", "metrics")

# The first part of the scopes that Keras gives to what is no layer.
_SCOPES = {"compile_loss": LOSS, "metrics": METRICS}


def section(node: Node, optimizer: str) -> str:
    """The part of a step that a node belongs to by its scope.

    Args:
        optimizer: the name under which the optimizer's nodes are found.
    """
    layer, gradient = split_scope(node.scope)
    if gradient:
        return GRADIENTS
    outermost = layer.partition("/")[0]
    return UPDATE if optimizer and outermost == optimizer else _SCOPES.get(outermost, FORWARD)


def in_sections(graph: Graph, optimizer: str) -> tuple[Graph, dict[Node, str]]:
    """The graph with its nodes in the order of the sections, and each node's.

    A node comes after all that it reads, so that what is computed of gradients, say, is no part of the forward pass.
    """
    # What an optimizer keeps count of changes outside of its scope.
    counts = {
        now.node for i, now in graph.changes.items() if graph.state_names[i].startswith(f"{optimizer}/")
    }
    places: dict[Node, int] = {}
    for node in graph.nodes:
        read = [places[v.node] for v in node.inputs if v.node in places]
        own = UPDATE if optimizer and node in counts else section(node, optimizer)
        places[node] = max([SECTIONS.index(own), *read])
    nodes = sorted(graph.nodes, key=lambda node: places[node])
    ordered = Graph(
        graph.inputs, nodes, graph.outputs, graph.state_inputs, graph.state_outputs, graph.state_names
    )
    return ordered, {node: SECTIONS[place] for node, place in places.items()}
