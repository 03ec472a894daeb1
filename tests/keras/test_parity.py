"""The same computation under kerasflow and under stock Keras on TensorFlow gives the same numbers."""

import numpy as np
import pytest
from conftest import DIFFERENCES, Reference
from parity_case import Case
from reference import all_cases, run


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


@pytest.mark.usefixtures("checked")
@pytest.mark.parametrize("case", all_cases().values(), ids=str)
def test_parity(case: Case, reference: Reference, pytestconfig: pytest.Config) -> None:
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
