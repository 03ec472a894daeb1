"""Common subexpression elimination: the same primitive on the same values is computed once."""

from __future__ import annotations

from kerasflow.graph import Graph
from kerasflow.passes.rewrite import rebuild
from kerasflow.primitives.builder import SharingBuilder


def eliminate_common_subexpressions(graph: Graph) -> Graph:
    """The graph without repeated computations. Nodes whose parameters cannot be compared stay."""
    return rebuild(graph, lambda builder, node, inputs: None, SharingBuilder())
