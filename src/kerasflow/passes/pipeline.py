"""The order of the passes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from kerasflow.graph import Graph, Node, Value, verify
from kerasflow.passes.cse import eliminate_common_subexpressions
from kerasflow.passes.dce import eliminate_dead_code
from kerasflow.passes.fold import fold_constants
from kerasflow.passes.interfaces import narrow_interfaces
from kerasflow.passes.loops import split_scans
from kerasflow.passes.merge import merge_scans
from kerasflow.passes.rewrite import rebuild
from kerasflow.passes.simplify import simplify
from kerasflow.primitives.builder import Builder

PASSES: tuple[Callable[[Graph], Graph], ...] = (
    eliminate_dead_code,
    simplify,
    fold_constants,
    simplify,
    fold_constants,
    eliminate_common_subexpressions,
    eliminate_dead_code,
)


# What is done to a graph with conditionals or loops before, and after its sub-graphs have been optimized.
OUTSIDE: tuple[Callable[[Graph], Graph], ...] = (merge_scans, eliminate_dead_code, narrow_interfaces)
AROUND: tuple[Callable[[Graph], Graph], ...] = (
    split_scans,
    eliminate_common_subexpressions,
    narrow_interfaces,
)


def optimize(graph: Graph, check: bool = True) -> Graph:
    """Run all passes, on the sub-graphs too.

    Args:
        check: verify the graph before, and after each pass.

    Raises:
        GraphError: naming the pass that broke the graph.
    """
    checked: set[Node] = set()
    if check:
        verify(graph, checked=checked)

    def run(passes: Sequence[Callable[[Graph], Graph]], graph: Graph) -> Graph:
        for one in passes:
            graph = one(graph)
            if check:
                verify(graph, one.__name__, checked)
        return graph

    if any(node.subgraphs for node in graph.nodes):
        graph = _with_optimized_subgraphs(run(OUTSIDE, graph), check)
        graph = run(AROUND, graph)
    return run(PASSES, graph)


def _with_optimized_subgraphs(graph: Graph, check: bool) -> Graph:
    """The graph with the same nodes on optimized branches and bodies, whose inputs and outputs are the same."""

    def better(param: Any) -> Any:
        if isinstance(param, tuple):
            return tuple(map(better, param))
        return optimize(param, check) if isinstance(param, Graph) else param

    def visit(builder: Builder, node: Node, inputs: tuple[Value, ...]) -> Sequence[Value] | None:
        if node.primitive.name == "custom_vjp":
            return inputs[-len(node.outputs) :]  # Its derivative has been taken.
        if not node.subgraphs:
            return None
        return builder.emit_all(
            node.primitive, inputs, {key: better(param) for key, param in node.params.items()}
        )

    return rebuild(graph, visit)
