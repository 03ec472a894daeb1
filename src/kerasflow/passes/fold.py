"""Constant folding: what depends on constants alone is computed now."""

from __future__ import annotations

from typing import Any

import numpy as np

from kerasflow.graph import Constant, Graph, Node, Value, evaluate_node
from kerasflow.passes.rewrite import rebuild
from kerasflow.primitives.builder import Builder
from kerasflow.primitives.foreign import foreign_function

# Larger results are left to run time: a program should not carry megabytes that one operation makes.
MAX_ELEMENTS = 1 << 16
# Nor is more than this read to compute one.
MAX_READ = 1 << 20


def _known(value: Value) -> np.ndarray[Any, Any] | None:
    """The array that a constant, or a constant broadcast, is; None for other values."""
    if isinstance(value, Constant):
        return value.array
    node = value.node
    if node is None or node.primitive.name != "broadcast_to" or value.aval.size > MAX_READ:
        return None
    source = _known(node.inputs[0])
    return None if source is None else np.broadcast_to(source, value.aval.shape)


def fold_constants(graph: Graph) -> Graph:
    """The graph with constant nodes of moderate size replaced by constants.

    Nodes that fail are left to fail when, and if, they run.
    """

    def visit(builder: Builder, node: Node, inputs: tuple[Value, ...]) -> Any:
        if node.primitive.name == "broadcast_to" or any(v.aval.size > MAX_ELEMENTS for v in node.outputs):
            return None  # A broadcast is smaller as it is; the simplifier looks through it.
        if node.subgraphs or node.primitive is foreign_function or node.primitive.ranked:
            return None  # Nobody knows how long a loop takes, and a framework may draw random numbers.
        arrays = [_known(v) for v in inputs]
        if any(array is None for array in arrays):
            return None
        try:
            return [Constant(np.asarray(r)) for r in evaluate_node(node, arrays)]
        except (ValueError, IndexError, ArithmeticError):
            return None

    return rebuild(graph, visit)
