"""The order of the passes."""

from __future__ import annotations

from collections.abc import Callable

from kerasflow.graph import Graph, verify
from kerasflow.passes.cse import eliminate_common_subexpressions
from kerasflow.passes.dce import eliminate_dead_code
from kerasflow.passes.fold import fold_constants
from kerasflow.passes.simplify import simplify

PASSES: tuple[Callable[[Graph], Graph], ...] = (
    eliminate_dead_code,
    simplify,
    fold_constants,
    simplify,
    fold_constants,
    eliminate_common_subexpressions,
    simplify,
    eliminate_dead_code,
)


def optimize(graph: Graph, check: bool = True) -> Graph:
    """Run all passes.

    Args:
        check: verify the graph before, and after each pass.

    Raises:
        GraphError: naming the pass that broke the graph.
    """
    if check:
        verify(graph)
    for run in PASSES:
        graph = run(graph)
        if check:
            verify(graph, after=run.__name__)
    return graph
