"""Control flow with sub-graphs, and functions with a derivative of their own.

A sub-graph has no state of its own and reads nothing from outside: what it needs
are operands, what it changes are results. The evaluation of a primitive with
sub-graphs takes, besides its operands and parameters, the function that `run`s one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kerasflow.graph import Graph, Primitive, ShapedArray, Value, evaluate


def _types(values: Sequence[Value | ShapedArray]) -> str:
    return ", ".join(str(v.aval if isinstance(v, Value) else v) for v in values)


def _check(what: str, found: Sequence[Value], wanted: Sequence[ShapedArray]) -> None:
    if [v.aval for v in found] != list(wanted):
        raise ValueError(f"{what}: ({_types(found)}) instead of ({_types(wanted)})")


Run = Callable[[Graph, Sequence[Any]], Sequence[Any]]


def _run(graph: Graph, operands: Sequence[Any]) -> list[Any]:
    return evaluate(graph, [], operands)[0]


# -- branches -----------------------------------------------------------------------------------------------


def _switch(index: Any, *operands: Any, branches: tuple[Graph, ...], run: Run = _run) -> tuple[Any, ...]:
    return tuple(run(branches[int(index)], operands))


def _switch_rule(
    index: ShapedArray, *operands: ShapedArray, branches: tuple[Graph, ...]
) -> tuple[ShapedArray, ...]:
    boolean = index.dtype == bool and len(branches) == 2
    if index.shape != () or not (boolean or index.dtype == np.int32):
        raise ValueError(f"switch: the index must be an int32 or (of two) a boolean scalar, received {index}")
    results = [v.aval for v in branches[0].outputs]
    for i, branch in enumerate(branches):
        _check(f"switch: branch {i} takes other operands", branch.inputs, operands)
        _check(f"switch: branch {i} returns other types than branch 0", branch.outputs, results)
    return tuple(results)


# -- loops --------------------------------------------------------------------------------------------------


def _while_loop(
    *operands: Any, cond: Graph, body: Graph, constants: int, maximum: int | None, run: Run = _run
) -> tuple[Any, ...]:
    fixed, carried = operands[:constants], operands[constants:]
    count = 0
    while count != maximum and bool(run(cond, [*fixed, *carried])[0]):
        carried = tuple(run(body, [*fixed, *carried]))
        count += 1
    return carried


def _while_rule(
    *operands: ShapedArray, cond: Graph, body: Graph, constants: int, maximum: int | None
) -> tuple[ShapedArray, ...]:
    carried = operands[constants:]
    _check("while_loop: the condition takes other operands", cond.inputs, operands)
    _check("while_loop: the body takes other operands", body.inputs, operands)
    _check(
        "while_loop: the condition is not a boolean scalar", cond.outputs, [ShapedArray((), np.dtype(bool))]
    )
    _check("while_loop: the body returns other types than it takes", body.outputs, carried)
    return carried


def _scan(
    *operands: Any, body: Graph, length: int, reverse: bool, constants: int, carries: int, run: Run = _run
) -> tuple[Any, ...]:
    fixed, carried, stacked = _parts(operands, constants, carries)
    results = [np.empty((length, *v.aval.shape), v.aval.dtype) for v in body.outputs[carries:]]
    for t in reversed(range(length)) if reverse else range(length):
        found = run(body, [*fixed, *carried, *(x[t] for x in stacked)])
        carried = found[:carries]
        for result, y in zip(results, found[carries:], strict=True):
            result[t] = y
    return (*carried, *results)


def _parts(operands: Sequence[Any], constants: int, carries: int) -> tuple[Any, Any, Any]:
    """The operands of a scan: constants, carries, stacked inputs."""
    return operands[:constants], operands[constants : constants + carries], operands[constants + carries :]


def _scan_rule(
    *operands: ShapedArray, body: Graph, length: int, reverse: bool, constants: int, carries: int
) -> tuple[ShapedArray, ...]:
    fixed, carried, stacked = _parts(operands, constants, carries)
    for x in stacked:
        if x.shape[:1] != (length,):
            raise ValueError(f"scan: an input of shape {x.shape} cannot be taken apart into {length} steps")
    slices = [ShapedArray(x.shape[1:], x.dtype) for x in stacked]
    _check("scan: the body takes other operands", body.inputs, [*fixed, *carried, *slices])
    _check("scan: the body returns other carries than it takes", body.outputs[:carries], carried)
    return (
        *carried,
        *(ShapedArray((length, *v.aval.shape), v.aval.dtype) for v in body.outputs[carries:]),
    )


# -- derivatives of one's own -------------------------------------------------------------------------------


def _custom_vjp(
    *values: Any, outputs: int, vjp: Callable[..., Any] | Graph, residuals: int = 0
) -> tuple[Any, ...]:
    return values[len(values) - outputs :]


# The branch with the number `index` (of two: the second where it is true); each takes all operands.
switch = Primitive("switch", _switch, _switch_rule, multiple_results=True)
# `cond` and `body` take `constants` operands that stay and then the carries; body returns the new carries. It is
# repeated while `cond` gives true, at most `maximum` times (None: without limit).
while_loop = Primitive("while_loop", _while_loop, _while_rule, multiple_results=True)
# `body` is applied `length` times, from the last to the first if `reverse`. Its operands are the constants, the carries
# and a slice (along the first axis) of each stacked input; its results the new carries, and a slice of each stacked
# result.
scan = Primitive("scan", _scan, _scan_rule, multiple_results=True)
# The last `outputs` of its operands, as they are. Their cotangents go through `vjp` to the operands in front, but for
# the `residuals` just before the outputs: those are what `vjp`, if it is a graph, takes before the cotangents.
custom_vjp = Primitive("custom_vjp", _custom_vjp, _custom_vjp, multiple_results=True)

PRIMITIVES: tuple[Primitive, ...] = (switch, while_loop, scan, custom_vjp)
