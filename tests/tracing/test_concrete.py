"""Tracers of a concrete trace have values, and give them."""

from __future__ import annotations

import numpy as np
import pytest
from numpy_calls import EXACT, operands
from test_numpy_functions import flat

from kerasflow.testing import assert_close
from kerasflow.tracing import Trace, Tracer, record, recording


def concrete(array: np.ndarray) -> Tracer:
    return record("identity", array)


@pytest.mark.parametrize("expression", EXACT[::9])
def test_values_are_there_at_once(expression: str) -> None:
    arrays = operands()
    try:
        with np.errstate(all="ignore"):
            expected = flat(eval(expression, {"np": np, **arrays}))
    except (TypeError, ValueError, OverflowError, AttributeError):
        return
    with recording(Trace(concrete=True)):
        found = flat(eval(expression, {"np": np, **{name: concrete(x) for name, x in arrays.items()}}))
        for ours, theirs in zip(found, expected, strict=True):
            assert_close(np.asarray(ours), theirs, 0, expression)


def test_python_may_look() -> None:
    with recording(Trace(concrete=True)):
        x = concrete(np.array([1.0, 2.0]))
        assert float(x[0]) == 1.0
        assert int(x[1]) == 2
        assert bool(x[0] < x[1])
        assert x.tolist() == [1.0, 2.0]
        assert (x * 2)[1].item() == 4.0
        assert list(range(concrete(np.array(3)))) == [0, 1, 2]
        np.testing.assert_array_equal(np.asarray(x + 1), [2.0, 3.0])
        np.testing.assert_array_equal(x.numpy(), [1.0, 2.0])
        assert f"{x[0]:.2f}" == "1.00"
        assert repr(x) == "Tracer(array([1., 2.]))"


def test_nothing_is_kept() -> None:
    trace = Trace(concrete=True)
    with recording(trace):
        x = concrete(np.array([1.0, 2.0]))
        assert np.sum(x * x).numpy() == 5.0
    assert not trace.nodes
