"""Branches and loops: operators with subgraphs, which read from outside what does not change."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from kerasflow.exporting.onnx.builder import Builder, Tensor
from kerasflow.graph import Graph, ShapedArray

# Writes a graph's nodes on these operands; its outputs.
Run = Callable[[Graph, Sequence[Tensor]], list[Tensor]]


def _switch(
    b: Builder, run: Run, index: Tensor, *operands: Tensor, branches: tuple[Graph, ...]
) -> list[Tensor]:
    """A chain of conditionals, one for each branch but the last."""
    if len(branches) == 1:
        return run(branches[0], operands)
    first = ~index if index.dtype == bool else index.equal(0)

    def rest() -> list[Tensor]:
        left = branches[1:]
        return _switch(b, run, index if len(left) == 1 else index - 1, *operands, branches=left)

    then = b.subgraph(lambda: run(branches[0], operands), {}, "then")
    otherwise = b.subgraph(rest, {}, "otherwise")
    dtypes = [v.aval.dtype for v in branches[0].outputs]
    return b.ops("If", [first], dtypes, then_branch=then, else_branch=otherwise)


def _while_loop(
    b: Builder, run: Run, *operands: Tensor, cond: Graph, body: Graph, constants: int, maximum: int | None
) -> list[Tensor]:
    fixed, carried = operands[:constants], operands[constants:]
    limit = None if maximum is None else b.constant(np.array(maximum, np.int64))
    inputs = {"count": ShapedArray((), np.dtype(np.int64)), "going": ShapedArray((), np.dtype(bool))}
    inputs |= {f"carried_{i}": v.aval for i, v in enumerate(body.outputs)}

    def step(count: Tensor, going: Tensor, *carried: Tensor) -> list[Tensor]:
        new = run(body, [*fixed, *carried])
        return [*run(cond, [*fixed, *new]), *new]

    (begins,) = run(cond, operands)
    graph = b.subgraph(step, inputs, "body")
    return b.ops("Loop", [limit, begins, *carried], [x.dtype for x in carried], body=graph)


def _scan(
    b: Builder,
    run: Run,
    *operands: Tensor,
    body: Graph,
    length: int,
    reverse: bool,
    constants: int,
    carries: int,
) -> list[Tensor]:
    fixed, carried = operands[:constants], operands[constants : constants + carries]
    if not length:
        empty = (np.zeros((0, *v.aval.shape), v.aval.dtype) for v in body.outputs[carries:])
        return [*carried, *map(b.constant, empty)]
    stacked = operands[constants + carries :]
    given = [v.aval for v in body.inputs[constants:]]
    if not stacked:  # ONNX's loop has as many steps as something has elements.
        steps = b.op("Expand", b.constant(np.zeros(1, np.int64)), b.dims([length]))
        stacked, given = (steps,), [*given, ShapedArray((), np.dtype(np.int64))]
    names = [f"carried_{i}" if i < carries else f"element_{i - carries}" for i in range(len(given))]

    def step(*inputs: Tensor) -> list[Tensor]:
        return run(body, [*fixed, *inputs][: len(body.inputs)])

    graph = b.subgraph(step, dict(zip(names, given, strict=True)), "body")
    results = len(body.outputs) - carries
    return b.ops(
        "Scan", [*carried, *stacked], [v.aval.dtype for v in body.outputs], body=graph,
        num_scan_inputs=len(stacked), scan_input_directions=[int(reverse)] * len(stacked),
        **({"scan_output_directions": [int(reverse)] * results} if results else {}),
    )  # fmt: skip


def _custom_vjp(b: Builder, run: Run, *values: Tensor, outputs: int, **_: object) -> list[Tensor]:
    return list(values[len(values) - outputs :])


LOWERINGS: dict[str, Callable[..., list[Tensor]]] = {
    "switch": _switch,
    "while_loop": _while_loop,
    "scan": _scan,
    "custom_vjp": _custom_vjp,
}
