"""Sums and means of many numbers outside of programs: NumPy's numbers, whichever way they come about."""

from __future__ import annotations

from typing import Any

import kerasflow  # isort: skip  (before Keras)
import keras
import numpy as np
import pytest

from kerasflow.compiler.at_once import MANY


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("name", ["sum", "mean"])
@pytest.mark.parametrize(
    ("shape", "axis"),
    [
        ((16, 28, 28, 4, 2), (1, 2, 4)),
        ((40, 50, 60), [2, 0]),
        ((40, 50, 60), -2),
        ((40, 50, 60), []),
        ((40, 50, 60), None),
        ((40, 50, 60), (0, 1, 2)),
        ((1, 200, 1, 200), (0, 1, 2)),
        ((MANY,), 0),
        ((MANY, 1), 1),
        ((3, 4), 1),
    ],
)
def test_sums_and_means(shape: tuple[int, ...], axis: Any, name: str, keepdims: bool) -> None:
    x = np.random.default_rng(0).normal(size=shape)
    axes = tuple(axis) if isinstance(axis, list) else axis
    ours = getattr(keras.ops, name)(keras.ops.convert_to_tensor(x), axis=axis, keepdims=keepdims)
    expected = getattr(np, name)(x, axis=axes, keepdims=keepdims)
    np.testing.assert_allclose(ours, expected, 1e-12, 1e-10)
    with kerasflow.GradientTape():
        recorded = np.array(getattr(keras.ops, name)(keras.Variable(x, dtype="float64"), axis, keepdims))
    np.testing.assert_allclose(recorded, expected, 1e-12, 1e-10)


@pytest.mark.parametrize("name", ["sum", "mean"])
@pytest.mark.parametrize("axis", [3, (0, 0), (0, -3)])
def test_axes_that_there_are_not(name: str, axis: Any) -> None:
    x = keras.ops.ones((40, 50, 60))
    with pytest.raises(ValueError, match=r"axis|out of bounds"):
        getattr(keras.ops, name)(x, axis=axis)


def test_moments_over_axes_apart() -> None:
    x = np.random.default_rng(0).normal(3, 2, (8, 10, 20, 30))
    mean, variance = keras.ops.moments(keras.ops.convert_to_tensor(x), axes=(0, 2))
    np.testing.assert_allclose(mean, x.mean((0, 2)), 1e-12)
    np.testing.assert_allclose(variance, x.var((0, 2)), 1e-12)
