"""Whether a program is long enough to be shared out among processes: an estimate of its work, before anything runs."""

from __future__ import annotations

import math

from kerasflow.graph import Graph, Node
from kerasflow.primitives.linalg import split_subscripts

# Seconds of one core: a multiplication with its addition in a product, an element of anything else, and a call.
_PRODUCT = 2.5e-11
_ELEMENT = 5e-10
_CALL = 1e-6
# A step of less work than this is done sooner than others have been told of it.
LEAST_SECONDS = 3e-3


def seconds(graph: Graph) -> float:
    """About how long one core takes for a graph."""
    return sum(map(_node, graph.nodes))


def updates_rows(graph: Graph) -> bool:
    """Whether a graph updates some rows of tables, which processes do not share out."""
    return any(node.primitive.name == "collect_rows" for node in graph.nodes)


def _node(node: Node) -> float:
    if node.primitive.view:
        return 0.0
    if node.primitive.name == "scan":
        return node.params["length"] * seconds(node.params["body"])
    inside = max((seconds(graph) for graph in node.subgraphs), default=0.0)
    # Rows are put into an array where it is.
    patches = node.primitive.name == "scatter" and node.params["mode"] == "set"
    size = sum(v.aval.size for v in ((node.inputs[1],) if patches else node.outputs))
    return inside + _CALL + _ELEMENT * size + _PRODUCT * _products(node)


def _products(node: Node) -> int:
    """How many multiplications the node's products of matrices have."""
    shapes = [v.aval.shape for v in node.inputs]
    out = node.outputs[0].aval
    match node.primitive.name:
        case "matmul":
            return out.size * shapes[0][-1]
        case "einsum":
            terms, _ = split_subscripts(node.params["subscripts"])
            sizes = {
                c: n for t, shape in zip(terms, shapes, strict=True) for c, n in zip(t, shape, strict=True)
            }
            return math.prod(sizes.values())
        case "convolution":
            return out.size * math.prod(shapes[1][:-1])
        case "convolution_transpose":
            return math.prod(shapes[0][:-1]) * math.prod(shapes[1])
        case "convolution_kernel":
            return math.prod(shapes[1][:-1]) * out.size
    return 0
