"""The same computation under kerasflow and under stock Keras on TensorFlow gives the same numbers."""

from contextlib import nullcontext

import numpy as np
import pytest
from checked import CheckedProgram, checked_programs
from stock_keras import DIFFERENCES, Reference

from kerasflow.graph import ShapedArray
from kerasflow.testing.keras_cases.case import Case
from kerasflow.testing.keras_cases.tables import all_cases, run
from kerasflow.tracing import Trace, recording


def difference(name: str, ours: np.ndarray, theirs: np.ndarray) -> float:
    """The largest difference, relative to the largest number (losses: relative to each)."""
    if not ours.size:
        return 0.0
    ours, theirs = ours.astype("float64"), theirs.astype("float64")
    same = (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))
    scale = np.abs(theirs) if name == "losses" else np.abs(theirs[np.isfinite(theirs)]).max(initial=0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        relative = np.where(same, 0.0, np.abs(ours - theirs) / np.maximum(scale, 1e-30))
    return float(np.where(np.isnan(relative), np.inf, relative).max())


def dtype_kind(name: str) -> str:
    """Floating-point dtypes are compared by name; the widths of integers are each engine's own business."""
    return "integer" if name.startswith(("int", "uint")) else name


@pytest.mark.parametrize("case", all_cases().values(), ids=str)
def test_parity(case: Case, reference: Reference, pytestconfig: pytest.Config) -> None:
    with checked_programs() if case.checked else nullcontext():
        ours, given = run(case)
    expected = reference.results(case.name)
    stock_warnings, _ = expected.pop("warnings")
    assert given <= set(stock_warnings), "warnings that stock Keras does not give"
    assert list(ours) == list(expected)
    found = {}
    for name, (theirs, dtype) in expected.items():
        mine = ours[name]
        assert mine.shape == theirs.shape, name
        assert dtype_kind(mine.dtype.name) == dtype_kind(dtype), name
        found[name] = difference(name, mine, theirs)
    pytestconfig.stash[DIFFERENCES][case.name] = max(found.values(), default=0.0)
    wrong = {name: d for name, d in found.items() if not d <= case.limits.get(name, case.tolerance)}
    assert not wrong, "\n".join(
        f"{n}: {d:.2e}\n{ours[n].ravel()[:6]}\n{expected[n][0].ravel()[:6]}" for n, d in wrong.items()
    )


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
