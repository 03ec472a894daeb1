"""Derivatives of branches, and of functions that bring their own. Those of loops are in `scans` and `whiles`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from kerasflow.autodiff.joint import Joint, Nested, flows
from kerasflow.autodiff.vjp import Sweep
from kerasflow.graph import Graph
from kerasflow.primitives import PRIMITIVES
from kerasflow.tracing import Trace, apply, current_trace, recording
from kerasflow.tracing.subgraphs import inline


def graph_vjp(sweep: Sweep, graph: Graph, flowing: list[int], wanted: list[int]) -> Graph:
    """The graph from a graph's operands, and the cotangents of some outputs, to those of the wanted operands.

    Args:
        flowing: the positions of the outputs that have a cotangent. wanted: the positions of operands.
    """
    trace = Trace()
    with recording(trace):
        operands = [trace.add_input(v.aval) for v in graph.inputs]
        cotangents = [trace.add_input(graph.outputs[i].aval) for i in flowing]
        return trace.graph(
            apply_vjp(sweep, trace, graph, operands, dict(zip(flowing, cotangents, strict=True)), wanted)
        )


def apply_vjp(
    sweep: Sweep,
    trace: Trace,
    graph: Graph,
    operands: list[Any],
    cotangents: dict[int, Any],
    wanted: list[int],
) -> list[Any]:
    """The cotangents of a graph's wanted operands, recorded in the trace together with what they need of the graph.

    Args:
        operands: tracers. cotangents: of the outputs, by position.
    """
    begin = len(trace.nodes)
    results = inline(trace, graph, operands)
    nodes = trace.nodes[begin:]
    targets = [(trace.value_of(results[i]), g) for i, g in cotangents.items()]
    found = sweep(trace, nodes, targets, [trace.value_of(operands[i]) for i in wanted])
    return [
        np.zeros(operands[i].shape, operands[i].dtype) if g is None else g
        for i, g in zip(wanted, found, strict=True)
    ]


def _switch(
    sweep: Sweep, gs: Any, results: Any, operands: Any, flags: Any, branches: tuple[Graph, ...]
) -> list[Any]:
    index, *rest = operands
    wanted = [i for i, flag in enumerate(flags[1:]) if flag]
    flowing = [i for i, g in enumerate(gs) if flows(g)]
    vjps = tuple(graph_vjp(sweep, branch, flowing, wanted) for branch in branches)
    found = iter(apply(PRIMITIVES["switch"], index, *rest, *(gs[i] for i in flowing), branches=vjps))
    return [None, *(next(found) if i in wanted else None for i in range(len(rest)))]


def _custom_vjp(
    gs: Any,
    results: Any,
    operands: Any,
    wanted: Any,
    outputs: int,
    vjp: Callable[..., Any] | Graph,
    residuals: int = 0,
) -> list[Any]:
    end = len(operands) - outputs
    given = operands[end - residuals : end]
    if isinstance(vjp, Graph):
        trace = current_trace()
        assert trace is not None
        cotangents = inline(trace, vjp, [*given, *gs])
    else:
        cotangents = vjp(*gs)
    return [*cotangents, *[None] * (residuals + outputs)]


RULES: dict[str, Any] = {"switch": Nested(_switch), "custom_vjp": Joint(_custom_vjp)}
