"""What most programs do, in short: train, save, load, export. It runs wherever kerasflow is tried (`tests/systems`)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
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
