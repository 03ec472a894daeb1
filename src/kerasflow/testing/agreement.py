"""Backends, and anything else, against NumPy."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

from kerasflow.graph import evaluate
from kerasflow.testing.spec import OpSpec


def assert_backends_agree(backend: Any, spec: OpSpec, dtype: str, seed: int = 0) -> None:
    """Compare a backend with NumPy on the call that a spec describes.

    Args:
        backend: `backend.compile(graph)` gives `program(state, inputs) -> (outputs, new_state)`.
        dtype: one of `spec.dtypes`.

    Raises:
        AssertionError: if shapes, dtypes or values differ, or an input was changed.
    """
    graph, arrays = spec.graph(dtype), spec.arrays(dtype, seed)
    expected, _ = evaluate(graph, [], spec.arrays(dtype, seed))
    outputs, _ = backend.compile(graph)([], arrays)
    for before, after in zip(spec.arrays(dtype, seed), arrays, strict=True):
        assert before.tobytes() == after.tobytes(), f"{spec}: the program changed its input"
    what = f"{spec} in {dtype}"
    for ours, theirs in zip(outputs, expected, strict=True):
        assert_same_type(ours, theirs, what)
    found, wanted = [
        results if spec.determined is None else spec.determined(*results) for results in (outputs, expected)
    ]
    for ours, theirs in zip(found, wanted, strict=True):
        assert_close(ours, theirs, spec.backend_tolerance, what)


def assert_same_type(ours: Any, theirs: Any, what: str = "") -> None:
    """Same shape and dtype."""
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    assert ours.shape == theirs.shape, f"{what}: shape {ours.shape} instead of {theirs.shape}"
    assert ours.dtype == theirs.dtype, f"{what}: dtype {ours.dtype} instead of {theirs.dtype}"


def assert_close(ours: Any, theirs: Any, resolutions: float, what: str = "") -> None:
    """Same shape and dtype, and the same values.

    Args:
        resolutions: relative error allowed, in units of the dtype's machine epsilon; 0 for "exactly". NaNs agree.
    """
    assert_same_type(ours, theirs, what)
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    if theirs.dtype.kind not in "fcV":
        np.testing.assert_array_equal(ours, theirs, err_msg=what)
        return
    rtol = resolutions * float(ml_dtypes.finfo(theirs.dtype).eps)
    # NumPy's test tools do not know the NaN of bfloat16.
    wide = np.complex128 if theirs.dtype.kind == "c" else np.float64
    ours, theirs = ours.astype(wide), theirs.astype(wide)
    scale = np.max(np.abs(theirs), initial=0.0, where=np.isfinite(theirs))
    np.testing.assert_allclose(ours, theirs, rtol=rtol, atol=rtol * float(scale), err_msg=what)
