"""NumPy calls on traced arrays give what NumPy gives: shape, dtype, values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy_calls import CLOSE, EXACT, operands

from kerasflow.graph import evaluate, shaped, verify
from kerasflow.testing import assert_close
from kerasflow.tracing import Trace, Tracer, recording


def flat(result: Any) -> list[Any]:
    """The arrays of a result, which may be one, or a list or tuple of them."""
    return [leaf for part in result for leaf in flat(part)] if isinstance(result, (list, tuple)) else [result]


def run_traced(expression: str, arrays: dict[str, Any]) -> list[Any]:
    """Evaluate the expression on abstract tracers, then the recorded graph on the arrays."""
    trace = Trace()
    with recording(trace):
        names = {name: trace.add_input(shaped(x)) for name, x in arrays.items()}
        results = flat(eval(expression, {"np": np, **names}))
    for result in results:
        assert not isinstance(result, np.ndarray) or result.dtype != object
    graph = trace.graph([r if isinstance(r, Tracer) else np.asarray(r) for r in results])
    verify(graph)
    outputs, _ = evaluate(graph, [], list(arrays.values()))
    return outputs


def check(expression: str, resolutions: float) -> None:
    arrays = operands()
    with np.errstate(all="ignore"):
        try:
            expected = flat(eval(expression, {"np": np, **arrays}))
        except (TypeError, ValueError, OverflowError) as error:
            # What NumPy refuses is refused here too.
            with pytest.raises((TypeError, ValueError, OverflowError)):
                run_traced(expression, arrays)
            del error
            return
        found = run_traced(expression, arrays)
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        assert_close(ours, theirs, resolutions, expression)


@pytest.mark.parametrize("expression", EXACT)
def test_exact(expression: str) -> None:
    check(expression, 0)


@pytest.mark.parametrize("expression", CLOSE)
def test_close(expression: str) -> None:
    check(expression, 8)
