"""What most programs do, in short: train, save, load, export. It runs wherever kerasflow is tried (`tests/systems`)."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from imported import imported

import kerasflow

import keras  # isort: skip


def test_from_training_to_a_file_that_needs_numpy_alone(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(96, 8, 8, 1)).astype(np.float32)
    y = (x.mean(axis=(1, 2, 3)) > 0).astype(np.int64)
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Conv2D(4, 3, activation="relu"),
            keras.layers.MaxPooling2D(),
            keras.layers.Flatten(),
            keras.layers.Dropout(0.1),
            keras.layers.Dense(2, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    losses = model.fit(x, y, batch_size=32, epochs=5, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    predicted = model.predict(x, verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again.predict(x, verbose=0), predicted)
    exported = imported(kerasflow.export_numpy(model, tmp_path / "exported.py"))
    np.testing.assert_allclose(exported.predict(x), predicted, atol=1e-6)


def dense(x: keras.KerasTensor) -> keras.KerasTensor:
    x = keras.layers.Flatten()(x)
    return keras.layers.Dense(16, activation="gelu")(x)


def recurrent(x: keras.KerasTensor) -> keras.KerasTensor:
    return keras.layers.LSTM(8)(x)


def attentive(x: keras.KerasTensor) -> keras.KerasTensor:
    x = keras.layers.LayerNormalization()(x + keras.layers.MultiHeadAttention(2, 4)(x, x))
    return keras.layers.GlobalAveragePooling1D()(x)


@pytest.mark.parametrize("network", [dense, recurrent, attentive])
def test_a_program_computes_what_its_layers_do(
    network: Callable[[keras.KerasTensor], keras.KerasTensor], tmp_path: Path
) -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(64, 6, 8)).astype(np.float32)
    y = x[:, -1, :1] - x[:, 0, :1]
    keras.utils.set_random_seed(1)
    inputs = keras.Input((6, 8))
    model = keras.Model(inputs, keras.layers.Dense(1)(network(inputs)))
    model.compile(keras.optimizers.Adam(0.01), "mse")
    losses = model.fit(x, y, batch_size=16, epochs=4, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    expected = np.asarray(model(x))
    np.testing.assert_allclose(model.predict(x, verbose=0), expected, atol=1e-5)
    exported = imported(kerasflow.export_numpy(model, tmp_path / "exported.py"))
    np.testing.assert_allclose(exported.predict(x), expected, atol=1e-5)


def test_models_train_in_threads_at_once() -> None:
    """Each as it does alone; and where Python has no global lock, nothing that is imported turns one on."""
    rng = np.random.default_rng(2)
    x = rng.normal(size=(64, 8)).astype(np.float32)
    y = x[:, :1] - x[:, 1:2]

    def losses(seed: int) -> list[float]:
        initial = keras.initializers.GlorotUniform(seed)
        parts = [keras.layers.Dense(units, kernel_initializer=initial.clone()) for units in (16, 1)]
        model = keras.Sequential([keras.Input((8,)), *parts])
        model.compile("adam", "mse")
        return model.fit(x, y, batch_size=16, epochs=3, shuffle=False, verbose=0).history["loss"]

    alone = [losses(seed) for seed in range(4)]
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(losses, range(4))) == alone
    if sysconfig.get_config_var("Py_GIL_DISABLED") and os.environ.get("PYTHON_GIL") != "1":
        assert not sys._is_gil_enabled()
