"""The order of the passes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kerasflow.graph import Graph, Node, Value, verify
from kerasflow.passes.cse import eliminate_common_subexpressions
from kerasflow.passes.dce import eliminate_dead_code
from kerasflow.passes.fold import fold_constants
from kerasflow.passes.rewrite import Builder, rebuild
from kerasflow.passes.simplify import simplify

PASSES: tuple[Callable[[Graph], Graph], ...] = (
    eliminate_dead_code,
    simplify,
    fold_constants,
    simplify,
    fold_constants,
    eliminate_common_subexpressions,
    eliminate_dead_code,
)


def optimize(graph: Graph, check: bool = True) -> Graph:
    """Run all passes, on the sub-graphs first.

    Args:
        check: verify the graph before, and after each pass.

    Raises:
        GraphError: naming the pass that broke the graph.
    """
    checked: set[Node] = set()
    if check:
        verify(graph, checked=checked)
    if any(node.subgraphs for node in graph.nodes):
        graph = _with_optimized_subgraphs(graph, check)
    for run in PASSES:
        graph = run(graph)
        if check:
            verify(graph, run.__name__, checked)
    return graph


def _with_optimized_subgraphs(graph: Graph, check: bool) -> Graph:
    """The graph with the same nodes on optimized branches, whose inputs and outputs are the same."""

    def better(param: Any) -> Any:
        if isinstance(param, tuple):
            return tuple(map(better, param))
        return optimize(param, check) if isinstance(param, Graph) else param

    def visit(builder: Builder, node: Node, inputs: tuple[Value, ...]) -> tuple[Value, ...] | None:
        if not node.subgraphs:
            return None
        return builder.emit_all(
            node.primitive, inputs, {key: better(param) for key, param in node.params.items()}
        )

    return rebuild(graph, visit)
