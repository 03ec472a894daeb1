"""The kit for backend authors finds what a backend may do wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from kerasflow.graph import Graph, evaluate
from kerasflow.testing import SPECS, Operand, OpSpec, assert_backends_agree, assert_close


class Reference:
    """A backend that evaluates node by node, and then does something to the outputs."""

    def __init__(
        self, spoil: Callable[[list[Any], list[Any]], list[Any]] = lambda outputs, inputs: outputs
    ) -> None:
        self.spoil = spoil

    def compile(self, graph: Graph) -> Callable[..., Any]:
        def program(state: list[Any], inputs: list[Any]) -> tuple[list[Any], list[Any]]:
            outputs, new_state = evaluate(graph, state, inputs)
            return self.spoil([np.array(x) for x in outputs], inputs), new_state

        return program


ADD = OpSpec("add", (Operand((2, 3)), Operand((3,))))


@pytest.mark.parametrize("spec", SPECS[::11], ids=str)
def test_the_reference_agrees(spec: OpSpec) -> None:
    for dtype in spec.dtypes:
        assert_backends_agree(Reference(), spec, dtype)


def overwrite(outputs: list[Any], inputs: list[Any]) -> list[Any]:
    inputs[0][...] = 0
    return outputs


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda outputs, _: [x * np.float32(1.00001) for x in outputs], "Not equal to tolerance"),
        (lambda outputs, _: [x.astype(np.float64) for x in outputs], "dtype float64 instead of float32"),
        (lambda outputs, _: [x[:1] for x in outputs], r"shape \(1, 3\) instead of \(2, 3\)"),
        (lambda outputs, _: [np.where(x == x[0, 0], np.nan, x) for x in outputs], "nan|x and y"),
        (lambda outputs, _: [], "shorter|longer"),
        (overwrite, "changed its input"),
    ],
)
def test_a_wrong_backend_is_found(spoil: Callable[..., Any], message: str) -> None:
    with pytest.raises((AssertionError, ValueError), match=message):
        assert_backends_agree(Reference(spoil), ADD, "float32")


def test_exactly_means_exactly() -> None:
    x = np.array([1.0, np.nan])
    assert_close(x, x, 0)
    with pytest.raises(AssertionError):
        assert_close(np.nextafter(x, 2), x, 0)
    assert_close(np.nextafter(x, 2), x, 1)
    with pytest.raises(AssertionError):
        assert_close(np.array([1, 2]), np.array([1, 3]), 8)
