"""What a case gives under one engine against what it gives under another."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from kerasflow.compiler import use_backend

if TYPE_CHECKING:
    from kerasflow.testing.keras_cases.case import Case


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


def _dtype_kind(name: str) -> str:
    """Floating-point dtypes are compared by name; the widths of integers are each engine's own business."""
    return "integer" if name.startswith(("int", "uint")) else name


def assert_parity(
    case: Case,
    ours: Mapping[str, np.ndarray],
    expected: Mapping[str, tuple[np.ndarray, str]],
    apart: float = 1.0,
) -> float:
    """Compare the results of a case, as closely as the case says; the largest relative difference.

    Args:
        expected: the other engine's, each with the name of its dtype.
        apart: by what the case's tolerances are multiplied.

    Raises:
        AssertionError: naming the arrays that differ, and their first numbers.
    """
    assert list(ours) == list(expected)
    found = {}
    for name, (theirs, dtype) in expected.items():
        mine = ours[name]
        assert mine.shape == theirs.shape, f"{name}: shape {mine.shape} instead of {theirs.shape}"
        assert _dtype_kind(mine.dtype.name) == _dtype_kind(dtype), f"{name}: {mine.dtype} instead of {dtype}"
        found[name] = difference(name, mine, theirs)
    wrong = {name: d for name, d in found.items() if not d <= apart * case.limits.get(name, case.tolerance)}
    assert not wrong, "\n".join(
        f"{n}: {d:.2e}\n{ours[n].ravel()[:6]}\n{expected[n][0].ravel()[:6]}" for n, d in wrong.items()
    )
    return max(found.values(), default=0.0)


def assert_backends_in_parity(case: Case, name: str, reference: str) -> float:
    """Run a case on two backends in this process and compare them; the largest relative difference."""
    (expected, usual), (ours, given) = _expected(case, reference), _results(case, name)
    assert given <= usual, f"warnings that {reference!r} does not give: {given - usual}"
    typed = {key: (array, array.dtype.name) for key, array in expected.items()}
    return assert_parity(case, ours, typed, case.apart)


def _results(case: Case, backend: str) -> tuple[dict[str, np.ndarray], set[str]]:
    """The results of a case on a backend, from one seed, and the warnings that it gave."""
    import keras

    from kerasflow.testing.keras_cases.tables import run

    keras.utils.set_random_seed(0)
    with use_backend(backend):
        return run(case)


# Several backends are compared with one, case by case.
_expected = functools.lru_cache(maxsize=1)(_results)
