"""Derivatives of control flow, and functions that bring their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kerasflow.autodiff.rules.joint import Joint
from kerasflow.graph import Graph, Value
from kerasflow.primitives import PRIMITIVES
from kerasflow.tracing import Trace, Tracer, apply, recording


def inline(trace: Trace, graph: Graph, operands: list[Any]) -> list[Any]:
    """Record a sub-graph's nodes in `trace`, applied to operands; its outputs."""
    env: dict[Value, Any] = dict(zip(graph.inputs, operands, strict=True))

    def read(value: Value) -> Any:
        return env[value] if value in env else trace.wrap(value)

    for node in graph.nodes:
        result = trace.bind(node.primitive, tuple(map(read, node.inputs)), node.params)
        env.update(zip(node.outputs, result if node.primitive.multiple_results else (result,), strict=True))
    return [read(v) for v in graph.outputs]


def _branch_vjp(graph: Graph, gs: list[Any], wanted: list[int]) -> Graph:
    """The graph from (operands, cotangents of the outputs) to the cotangents of the wanted operands."""
    from kerasflow.autodiff.vjp import is_differentiable, sweep

    trace = Trace()
    with recording(trace):
        operands = [trace.add_input(v.aval) for v in graph.inputs]
        cotangents = [trace.add_input(v.aval) for v in graph.outputs]
        results = inline(trace, graph, list(operands))
        targets = [
            (trace.value_of(r), g)
            for r, g in zip(results, cotangents, strict=True)
            if is_differentiable(trace.value_of(r))
        ]
        sources = [operands[i] for i in wanted]
        found = sweep(trace, list(trace.nodes), targets, [s.value for s in sources])
        outputs = [_zeros(s) if g is None else g for s, g in zip(sources, found, strict=True)]
        return trace.graph(outputs)


def _zeros(x: Tracer) -> Any:
    import numpy as np

    return np.zeros(x.shape, x.dtype)


def _cond(gs: Any, results: Any, operands: Any, flags: Any, branches: tuple[Graph, Graph]) -> list[Any]:
    predicate, *rest = operands
    wanted = [i for i, flag in enumerate(flags[1:]) if flag]
    vjps = tuple(_branch_vjp(branch, gs, wanted) for branch in branches)
    found = iter(apply(PRIMITIVES["cond"], predicate, *rest, *gs, branches=vjps))
    return [None, *(next(found) if i in wanted else None for i in range(len(rest)))]


def _custom_vjp(
    gs: Any, results: Any, operands: Any, wanted: Any, outputs: int, vjp: Callable[..., Any]
) -> list[Any]:
    return [*vjp(*gs), *[None] * outputs]


RULES: dict[str, Any] = {"cond": Joint(_cond), "custom_vjp": Joint(_custom_vjp)}
