"""What the tests of Keras's operations share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import optree
import pytest

import kerasflow
from kerasflow.graph import evaluate, shaped, verify
from kerasflow.tracing import Trace, Tracer, recording


def _traced(function: Callable[..., Any], *arrays: Any) -> Any:
    """The result of `function`, recorded as a program of its arguments and run node by node."""
    trace = Trace()
    with recording(trace):
        inputs = [trace.add_input(shaped(np.asarray(x))) for x in arrays]
        results = function(*inputs)
        leaves, structure = optree.tree_flatten(results)
        assert all(isinstance(leaf, Tracer) for leaf in leaves), "a result does not depend on the arguments"
        graph = trace.graph(leaves)
    verify(graph)
    outputs, _ = evaluate(graph, [], [np.asarray(x) for x in arrays])
    return optree.tree_unflatten(structure, outputs)


@pytest.fixture
def traced() -> Callable[..., Any]:
    return _traced


def _assert_traces(function: Callable[..., Any], *arrays: Any) -> Any:
    """Check that a function gives the same bits eagerly and as a program; its eager result."""
    with np.errstate(all="ignore"):
        eager = function(*map(np.asarray, arrays))
    recorded = _traced(function, *arrays)
    for a, b in zip(optree.tree_leaves(eager), optree.tree_leaves(recorded), strict=True):
        assert np.asarray(a).dtype == b.dtype
        np.testing.assert_array_equal(np.asarray(a), b)
    return eager


@pytest.fixture
def assert_traces() -> Callable[..., Any]:
    return _assert_traces


def _numerical_gradient(function: Callable[..., Any], *arrays: Any, step: float = 1e-6) -> list[Any]:
    """Central differences of the sum of a function's result, for each argument."""
    gradients = []
    for i, x in enumerate(arrays):
        gradient = np.zeros_like(x)
        for place in np.ndindex(x.shape):
            values = []
            for sign in (1, -1):
                moved = x.copy()
                moved[place] += sign * step
                values.append(np.sum(function(*arrays[:i], moved, *arrays[i + 1 :])))
            gradient[place] = (values[0] - values[1]) / (2 * step)
        gradients.append(gradient)
    return gradients


def _assert_gradients(function: Callable[..., Any], *arrays: Any, tolerance: float = 1e-6) -> None:
    """Check the gradients of the sum of a function's result against central differences, in float64."""
    numbers = tuple(np.asarray(x, np.float64) for x in arrays)
    found = kerasflow.grad(lambda *xs: np.sum(function(*xs)), tuple(range(len(numbers))))(*numbers)
    for gradient, expected in zip(found, _numerical_gradient(function, *numbers), strict=True):
        np.testing.assert_allclose(gradient, expected, rtol=tolerance, atol=tolerance)


@pytest.fixture
def assert_gradients() -> Callable[..., None]:
    return _assert_gradients
