"""Half precision on the NumPy backend: computed in float32, rounded where it comes in and goes out."""

from __future__ import annotations

from typing import Any

import kerasflow  # isort: skip  (before Keras)
import keras
import ml_dtypes
import numpy as np
import pytest

from kerasflow.graph import all_nodes, shaped
from kerasflow.testing.programs import graph_of
from kerasflow_numpy.plan.halves import is_half, widen
from kerasflow_numpy.run.halves import bounded, round_to

HALVES = [np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16)]
POLICIES = ["mixed_float16", "mixed_bfloat16"]


@pytest.mark.parametrize("dtype", HALVES, ids=str)
@pytest.mark.parametrize("size", [7, 1 << 17])
def test_rounding_is_a_cast(dtype: np.dtype[Any], size: int) -> None:
    x = (
        np.random.default_rng(0).normal(size=size).astype(np.float32)
        * 10.0 ** np.arange(size).clip(0, 3)[::-1]
    )
    x = x.astype(np.float32)
    out = np.empty_like(x)
    round_to(x, out, dtype, threads=2)
    np.testing.assert_array_equal(out, x.astype(dtype).astype(np.float32))


def test_float16s_range() -> None:
    x = np.array([65504, 65519.9, 65520, -1e9, np.inf, np.nan, 1, 0], np.float32)
    expected = x.astype(np.float16).astype(np.float32)
    out = np.empty_like(x)
    round_to(x, out, HALVES[0])
    np.testing.assert_array_equal(out, expected)
    bounded(x, out)
    np.testing.assert_array_equal(np.isinf(out), np.isinf(expected))


@pytest.mark.parametrize("dtype", HALVES, ids=str)
def test_nothing_inside_is_of_half_precision(dtype: np.dtype[Any]) -> None:
    def function(x: Any, w: Any) -> Any:
        h = np.tanh(x.astype(dtype) @ w.astype(dtype))
        return np.sum(h * h, axis=0).astype(np.float32)

    x, w = np.ones((4, 3), np.float32), np.ones((3, 5), np.float32)
    graph = graph_of(function, shaped(x), shaped(w))
    assert any(is_half(v.aval.dtype) for node in all_nodes(graph) for v in node.outputs)
    assert not any(is_half(v.aval.dtype) for node in all_nodes(widen(graph)) for v in node.outputs)
    np.testing.assert_allclose(kerasflow.jit(function)(x, w), function(x, w), rtol=0.02)


@pytest.mark.parametrize("dtype", HALVES, ids=str)
def test_results_have_their_dtype_and_are_rounded(dtype: np.dtype[Any]) -> None:
    x = np.random.default_rng(0).normal(size=(64, 32)).astype(dtype)
    y = kerasflow.jit(lambda x: x @ np.swapaxes(x, 0, 1))(x)
    assert y.dtype == dtype
    wide = x.astype(np.float32)
    np.testing.assert_array_equal(y, (wide @ wide.T).astype(dtype))


def test_what_overflows_is_infinite() -> None:
    x = np.full((2, 4), 300.0, np.float16)
    sums = kerasflow.jit(lambda x: np.sum(x * x, axis=1).astype(np.float32))(x)
    assert np.isinf(sums).all()
    assert kerasflow.jit(lambda x: np.isfinite(x * x))(x).sum() == 0
    fine = kerasflow.jit(lambda x: np.isfinite(x * x))(x.astype(ml_dtypes.bfloat16))
    assert fine.all()


def network(policy: str) -> Any:
    keras.utils.set_random_seed(0)
    keras.config.set_dtype_policy(policy)
    try:
        layers = keras.layers
        model = keras.Sequential(
            [
                keras.Input((8, 8, 2)),
                layers.Conv2D(8, 3, activation="relu"),
                layers.BatchNormalization(),
                layers.Flatten(),
                layers.Dense(16, activation="gelu"),
                layers.Dense(3),
                layers.Activation("softmax", dtype="float32"),
            ]
        )
    finally:
        keras.config.set_dtype_policy("float32")
    return model


@pytest.mark.parametrize("policy", POLICIES)
def test_a_training_is_that_of_float32_but_for_rounding(policy: str) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(128, 8, 8, 2)).astype("float32"), rng.integers(0, 3, 128)
    x[np.arange(128), 0, 0, 0] = 3 * y
    losses = {}
    for each in ("float32", policy):
        model = network(each)
        model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
        losses[each] = model.fit(x, y, batch_size=32, epochs=6, shuffle=False, verbose=0).history["loss"]
        assert all(v.dtype == "float32" for v in model.trainable_variables)
    np.testing.assert_allclose(losses[policy], losses["float32"], atol=0.08)
    assert losses[policy][-1] < 0.5 * losses[policy][0]


def test_a_step_that_overflows_is_skipped_and_the_scale_drops() -> None:
    model = network("mixed_float16")
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1), initial_scale=2.0**15)
    model.compile(optimizer, "sparse_categorical_crossentropy")
    y = np.zeros(4, "int64")
    model.train_on_batch(np.ones((4, 8, 8, 2), "float32"), y)
    kept, scale = [v.numpy() for v in model.trainable_variables], float(optimizer.dynamic_scale)
    model.train_on_batch(np.full((4, 8, 8, 2), 7e4, "float32"), y)
    assert float(optimizer.dynamic_scale) == scale / 2
    for before, now in zip(kept, model.trainable_variables, strict=True):
        np.testing.assert_array_equal(before, now.numpy())
