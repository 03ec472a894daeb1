"""What onnxruntime computes from an exported model."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnxruntime


def exported_onnx(model: Any, folder: Path, **kwargs: Any) -> Path:
    """The model's file."""
    path = folder / "model.onnx"
    model.export(path, format="onnx", verbose=False, **kwargs)
    return path


def runs(path: Path) -> Callable[[Any], list[Any]]:
    """From a structure of arrays, in the order of the inputs, to a list of outputs."""
    session = onnxruntime.InferenceSession(path)
    names = [x.name for x in session.get_inputs()]
    return lambda x: session.run(None, dict(zip(names, keras.tree.flatten(x), strict=True)))


def assert_same_arrays(found: list[Any], expected: Any, tolerance: float = 1e-5) -> None:
    """Of the same shapes and dtypes, and the same numbers, relative to the largest."""
    for ours, theirs in zip(found, keras.tree.flatten(expected), strict=True):
        assert ours.dtype == theirs.dtype
        largest = np.abs(theirs).max(initial=0)
        np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance * largest, strict=True)
