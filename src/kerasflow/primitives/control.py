"""Control flow with sub-graphs, and functions with a derivative of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kerasflow.graph import Graph, Primitive, ShapedArray, evaluate


def _cond(predicate: Any, *operands: Any, branches: tuple[Graph, Graph]) -> tuple[Any, ...]:
    outputs, _ = evaluate(branches[0] if predicate else branches[1], [], operands)
    return tuple(outputs)


def _cond_rule(
    predicate: ShapedArray, *operands: ShapedArray, branches: tuple[Graph, Graph]
) -> tuple[ShapedArray, ...]:
    if predicate.shape != () or predicate.dtype != bool:
        raise ValueError(f"cond: the predicate must be a boolean scalar, received {predicate}")
    types = [tuple(v.aval for v in branch.outputs) for branch in branches]
    if types[0] != types[1]:
        listed = [", ".join(map(str, t)) for t in types]
        raise ValueError(f"cond: the branches return different types: ({listed[0]}) and ({listed[1]})")
    for branch in branches:
        if tuple(v.aval for v in branch.inputs) != operands:
            raise ValueError("cond: the operands do not fit a branch's inputs")
    return types[0]


def _custom_vjp(*values: Any, outputs: int, vjp: Callable[..., Any]) -> tuple[Any, ...]:
    return values[len(values) - outputs :]


# The first branch where the predicate holds, else the second; both take all operands.
cond = Primitive("cond", _cond, _cond_rule, multiple_results=True)
# The last `outputs` of its operands, as they are; their cotangents go through `vjp` to the operands before them.
custom_vjp = Primitive("custom_vjp", _custom_vjp, _custom_vjp, multiple_results=True)

PRIMITIVES: tuple[Primitive, ...] = (cond, custom_vjp)
