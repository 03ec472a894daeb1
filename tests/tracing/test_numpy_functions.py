"""NumPy calls on traced arrays give what NumPy gives: shape, dtype, values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy_calls import CLOSE, EXACT, operands

from kerasflow.errors import TracingError
from kerasflow.graph import evaluate, shaped, verify
from kerasflow.testing import assert_close
from kerasflow.tracing import Trace, Tracer, recording
from kerasflow.tracing.functions.missing import present
from kerasflow.tracing.tracer import METHODS

# One of the calls is the cross product of vectors in the plane.
pytestmark = pytest.mark.filterwarnings("ignore:Arrays of 2-dimensional vectors:DeprecationWarning")


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


# What older NumPys refuse, or round otherwise, and the version since which it is as here.
SINCE = {
    "np.fft.rfftn(c)": "2.2.0",
    "p ** 0.5": "2.3.0",
    "p ** -1": "2.3.0",
    "np.pad(v, {0: (1, 2)})": "2.4.0",
    "np.linalg.cond(o, 1)": "2.4.0",
}


def check(expression: str, resolutions: float) -> None:
    if (since := SINCE.get(expression)) and np.lib.NumpyVersion(np.__version__) < since:
        pytest.skip(f"it is as here since NumPy {since}")
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
        except AttributeError:
            pytest.skip("not in this version of NumPy")
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


METHOD_CALLS = {
    "sum": "(0)",
    "prod": "(axis=1)",
    "repeat": "(2, 0)",
    "take": "([0, 1])",
    "clip": "(-1, 1)",
    "dot": "(w)",
    "swapaxes": "(0, 1)",
    "searchsorted": "(0.5)",
    "compress": None,
    "nonzero": None,
}


@pytest.mark.parametrize("method", METHODS)
def test_every_method(method: str) -> None:
    call = METHOD_CALLS.get(method, "()")
    if call is None:
        with pytest.raises(TracingError, match="depends on values"):
            run_traced(f"x.{method}([True])" if method == "compress" else f"x.{method}()", operands())
        return
    operand = "t" if method == "searchsorted" else "x"
    check(f"{operand}.{method}{call}", 8)


def test_functions_that_numpy_gained_later_are_known_by_name() -> None:
    assert present(cumsum=abs, no_such_function=abs) == {np.cumsum: abs}
