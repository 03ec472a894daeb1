"""Constant folding: what depends on constants alone is computed now."""

from __future__ import annotations

from typing import Any

import numpy as np

from kerasflow.graph import Constant, Graph, Node, Value, evaluate_node
from kerasflow.passes.rewrite import Builder, rebuild

# Larger results are left to run time: a program should not carry megabytes that one operation makes.
MAX_ELEMENTS = 1 << 16


def fold_constants(graph: Graph) -> Graph:
    """The graph with constant nodes of moderate size replaced by constants."""

    def visit(builder: Builder, node: Node, inputs: tuple[Value, ...]) -> Any:
        constants = [v for v in inputs if isinstance(v, Constant)]
        if len(constants) < len(inputs) or any(v.aval.size > MAX_ELEMENTS for v in node.outputs):
            return None
        if node.primitive.name == "broadcast_to":
            return None  # Smaller as it is; the simplifier looks through it.
        results = evaluate_node(node, [v.array for v in constants])
        return [Constant(np.asarray(r)) for r in results]

    return rebuild(graph, visit)
