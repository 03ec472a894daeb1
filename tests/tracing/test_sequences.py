"""Products of sequences: what they need while they are computed, and their derivatives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import kerasflow


def largest(function: Any) -> int:
    """The most elements that a value has in a function's only program."""
    (entry,) = function.entries.values()
    return max(value.aval.size for node in entry.graph.nodes for value in node.outputs)


@pytest.mark.parametrize("function", [np.correlate, np.convolve])
def test_a_long_sequence_is_not_laid_out_piece_by_piece(function: Callable[..., Any]) -> None:
    x, v = np.random.default_rng(0).normal(size=3000), np.random.default_rng(1).normal(size=400)

    def values(x: Any, v: Any) -> Any:
        with kerasflow.GradientTape() as tape:
            tape.watch((x, v))
            y = function(x, v, "same")
        return y, tape.gradient(y, (x, v), output_gradients=np.cos(y))

    program = kerasflow.jit(values)
    y, (of_x, of_v) = program(x, v)
    assert largest(program) < 2 * (x.size + v.size)
    np.testing.assert_allclose(y, function(x, v, "same"), atol=1e-9)
    # It is linear in both: a step along one of them times the derivative is what the result changes by.
    np.testing.assert_allclose(np.sum(of_x * x), np.sum(np.cos(y) * y), atol=1e-7)
    np.testing.assert_allclose(np.sum(of_v * v), np.sum(np.cos(y) * y), atol=1e-7)
