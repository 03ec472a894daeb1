"""The same computation under kerasflow and under stock Keras on TensorFlow gives the same numbers."""

from contextlib import nullcontext

import numpy as np
import pytest
from checked import CheckedProgram, checked_programs
from stock_keras import DIFFERENCES, Reference

from kerasflow.graph import ShapedArray
from kerasflow.testing.keras_cases.case import Case
from kerasflow.testing.keras_cases.tables import all_cases, run
from kerasflow.testing.parity import assert_parity, difference
from kerasflow.tracing import Trace, recording


def is_slow(case: Case) -> bool:
    """Networks that are compared in double precision too, to 1e-9."""
    return case.name.startswith("zoo/") and case.name.endswith("float32")


@pytest.mark.parametrize(
    "case",
    [pytest.param(case, marks=pytest.mark.slow if is_slow(case) else ()) for case in all_cases().values()],
    ids=str,
)
def test_parity(case: Case, reference: Reference, pytestconfig: pytest.Config) -> None:
    with checked_programs() if case.checked else nullcontext():
        ours, given = run(case)
    expected = reference.results(case.name)
    stock_warnings, _ = expected.pop("warnings")
    assert given <= set(stock_warnings), "warnings that stock Keras does not give"
    pytestconfig.stash[DIFFERENCES][case.name] = assert_parity(case, ours, expected)


def test_what_counts_as_a_difference() -> None:
    x = np.array([1.0, -4.0, np.nan, np.inf])
    assert difference("weight", x, x) == 0.0
    assert difference("weight", x + [0.004, 0, 0, 0], x) == pytest.approx(1e-3)
    assert difference("losses", x + [0.004, 0, 0, 0], x) == pytest.approx(4e-3)
    assert difference("weight", np.array([np.nan]), np.array([1.0])) == np.inf
    assert difference("weight", np.array([1.0]), np.array([np.inf])) == np.inf


def test_a_wrong_program_is_found() -> None:
    trace = Trace()
    with recording(trace):
        x = trace.add_input(ShapedArray((3,), np.dtype("float32")))
        graph = trace.graph([x + 1])
    for program, right in (
        (lambda state, inputs: ([inputs[0] + 1], []), True),
        (lambda state, inputs: ([inputs[0] + 1.001], []), False),
        (lambda state, inputs: ([(inputs[0] + 1).astype("float64")], []), False),
        (lambda state, inputs: ([np.add(inputs[0], 1, out=inputs[0])], []), False),
    ):
        with nullcontext() if right else pytest.raises(AssertionError):
            CheckedProgram(graph, program)([], [np.ones(3, "float32")])
