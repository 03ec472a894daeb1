"""Specs of control flow: branches and loops with bodies of a few operations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from kerasflow.graph import ShapedArray
from kerasflow.testing.spec import ALL, NUMBERS, Operand, OpSpec, as_dtype
from kerasflow.tracing.subgraphs import subgraph

_COUNT = ShapedArray((), np.dtype(np.int32))


def _branches(dtype: str) -> dict[str, Any]:
    x = ShapedArray((2, 3), as_dtype(dtype))
    return {"branches": (subgraph(lambda x, y: [y - x], [x, x]), subgraph(lambda x, y: [x * y], [x, x]))}


def _scan(length: int, reverse: bool) -> Callable[[str], dict[str, Any]]:
    """A carry that is multiplied by a constant, one that counts, and a slice that is added; two stacked results."""

    def params(dtype: str) -> dict[str, Any]:
        w, c = ShapedArray((3,), as_dtype(dtype)), ShapedArray((2, 3), as_dtype(dtype))
        body = subgraph(lambda w, c, n, x: [c * w + x, n + np.int32(1), c * x, n], [w, c, _COUNT, c])
        return {"body": body, "length": length, "reverse": reverse, "constants": 1, "carries": 2}

    return params


def _while_loop(rows: int, maximum: int | None) -> Callable[[str], dict[str, Any]]:
    """A number is multiplied by a constant, three times at most."""

    def params(dtype: str) -> dict[str, Any]:
        avals = [ShapedArray((3,), as_dtype(dtype)), ShapedArray((rows, 3), as_dtype(dtype)), _COUNT]
        cond = subgraph(lambda w, c, n: [n < np.int32(3)], avals)
        body = subgraph(lambda w, c, n: [c * w, n + np.int32(1)], avals)
        return {"maximum": maximum, "cond": cond, "body": body, "constants": 1}

    return params


def _straight_through(g: Any) -> list[Any]:
    """The derivative of the `custom_vjp` below."""
    return [g]


_BEGIN = Operand(values=0, dtype="int32")

SPECS = (
    *(
        OpSpec(
            "switch",
            (Operand(dtype="bool", values=value), Operand((2, 3)), Operand((2, 3))),
            _branches,
            NUMBERS,
            (1, 2),
        )
        for value in (True, False)
    ),
    *(
        OpSpec(
            "scan",
            (Operand((3,)), Operand((2, 3)), _BEGIN, Operand((length, 2, 3))),
            _scan(length, reverse),
            NUMBERS,
            (0, 1, 3),
        )
        for length, reverse in ((4, False), (3, True), (1, False))
    ),
    OpSpec(
        "scan", (Operand((3,)), Operand((2, 3)), _BEGIN, Operand((0, 2, 3))), _scan(0, False), NUMBERS, (1,)
    ),
    *(
        OpSpec("while_loop", (Operand((3,)), Operand((rows, 3)), _BEGIN), _while_loop(rows, n), NUMBERS, used)
        for rows, n, used in ((2, None, (0, 1)), (3, 2, (0, 1)), (4, 0, (1,)))
    ),
    # By intention its derivative is not that of its results: no numerical check.
    OpSpec("custom_vjp", (Operand((2, 3)), Operand((2, 3))), {"outputs": 1, "vjp": _straight_through}, ALL),
    OpSpec(
        "custom_vjp",
        (Operand((2, 3)), Operand(()), Operand((3,))),
        {"outputs": 2, "vjp": _straight_through},
        ALL,
    ),
)
