"""A training that was interrupted goes on, with `BackupAndRestore`, and ends as if it never had been, bit by bit."""

from __future__ import annotations

import csv
import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kerasflow  # noqa: F401  # isort: skip  (before Keras)
import keras
import numpy as np
import pytest
from keras import layers

from kerasflow.errors import KerasflowError

SEED = 1
# For each backend, how many trainings are killed again and again, by `save_freq`.
KILLED = {
    "numpy": {"epoch": 1, "2": 1},
    "tensorflow": {"2": 1},
    "pytensor": {"2": 1},
}


def rows(folder: Path) -> dict[str, dict[str, str]]:
    """What CSVLogger wrote, by epoch. An epoch that was run twice has to be the same both times."""
    found: dict[str, dict[str, str]] = {}
    for row in csv.DictReader((folder / "log.csv").open()):
        assert found.setdefault(row["epoch"], row) == row
    return found


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system cannot copy a process")
@pytest.mark.parametrize("backend", KILLED)
def test_killed_and_started_again(backend: str, tmp_path: Path) -> None:
    """Weights, random generators, optimizer, losses and metrics, with dropout, noise and shuffling."""
    program = Path(__file__).with_name("killed.py")
    command = [sys.executable, str(program), backend, str(tmp_path), str(SEED), json.dumps(KILLED[backend])]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-5000:]
    lives = json.loads((tmp_path / "lives.json").read_text())
    for save_freq, count in KILLED[backend].items():
        assert any(lives[f"{save_freq}-{i}"] for i in range(1, count + 1)), "nothing was killed"
        undisturbed = tmp_path / f"{save_freq}-0"
        for i in range(1, count + 1):
            folder = tmp_path / f"{save_freq}-{i}"
            with np.load(undisturbed / "found.npz") as expected, np.load(folder / "found.npz") as found:
                assert set(found) == set(expected)
                for name in expected:
                    np.testing.assert_array_equal(found[name], expected[name], f"{name}, {lives}")
            assert rows(folder) == rows(undisturbed), lives
            assert not (folder / "backup").exists()


X = np.random.default_rng(0).standard_normal((44, 3)).astype("float32")
Y = X[:, :1] * X[:, 1:2]


class Slices(keras.utils.PyDataset):
    """The data, a slice at a time."""

    def __len__(self) -> int:
        return 6

    def __getitem__(self, i: int) -> Any:
        return X[8 * i : 8 * (i + 1)], Y[8 * i : 8 * (i + 1)]


def endless() -> Iterator[Any]:
    """Batches that are drawn by chance."""
    while True:
        chosen = np.random.randint(0, len(X), 8)
        yield X[chosen], Y[chosen]


# Six batches an epoch, or as many as `steps_per_epoch` says.
DATA: dict[str, Any] = {
    "shuffled": lambda: {"x": X, "y": Y, "batch_size": 8},
    "shuffled batches": lambda: {"x": X, "y": Y, "batch_size": 8, "shuffle": "batch"},
    "short epochs": lambda: {"x": X, "y": Y, "batch_size": 8, "steps_per_epoch": 3},
    "PyDataset": lambda: {"x": Slices(), "shuffle": True},
    "generator": lambda: {"x": endless(), "steps_per_epoch": 4},
}


class Noisy(keras.Model):
    """Draws from Keras's shared generator, and returns logs that are not its metrics."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.dropout = layers.Dense(4, "tanh"), layers.Dropout(0.4)
        self.head = layers.Dense(1)

    def call(self, x: Any, training: bool = False) -> Any:
        return self.head(self.dropout(self.hidden(x), training=training))

    def train_step(self, data: Any) -> Any:
        x, y = data
        logs = super().train_step((x + keras.random.normal(x.shape, stddev=0.1), y))
        return {**logs, "half": logs["loss"] / 2}


def make(**compile: Any) -> Any:
    keras.utils.set_random_seed(3)
    model = Noisy()
    model(X[:1])
    model.compile("adam", "mse", **{"metrics": ["mae"], **compile})
    return model


class Interruption(Exception):
    """The end of a life."""


class Watch(keras.callbacks.Callback):
    """Keeps each epoch's logs; draws random numbers; interrupts after a number of batches."""

    def __init__(self, batches: int = -1) -> None:
        super().__init__()
        self.batches, self.logs = batches, {}

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        np.random.rand(3), random.random()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.batches -= 1
        if self.batches == 0:
            raise Interruption

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.logs[epoch] = dict(logs)


def fit(model: Any, kind: str, watch: Watch, *callbacks: Any) -> None:
    model.fit(**DATA[kind](), validation_data=(X, Y), epochs=4, verbose=0, callbacks=[*callbacks, watch])


@pytest.mark.parametrize(
    ("kind", "save_freq", "compile"),
    [
        ("shuffled", "epoch", {}),
        ("shuffled", 4, {"steps_per_execution": 2}),
        ("shuffled", 5, {"run_eagerly": True}),
        ("shuffled batches", 5, {}),
        ("short epochs", "epoch", {}),
        ("short epochs", 4, {}),
        ("PyDataset", 6, {}),  # the last batch of an epoch: what is left of it is its end
        ("generator", 5, {}),
    ],
)
def test_interrupted(kind: str, save_freq: Any, compile: dict[str, Any], tmp_path: Path) -> None:
    """Each kind of data, saved at the end of epochs and within them."""
    watch, model = Watch(), make(**compile)
    fit(model, kind, watch)
    other = Watch(9 // compile.get("steps_per_execution", 1))
    with pytest.raises(Interruption):
        fit(make(**compile), kind, other, keras.callbacks.BackupAndRestore(tmp_path, save_freq))
    resumed = make(**compile)
    fit(resumed, kind, other, keras.callbacks.BackupAndRestore(tmp_path, save_freq))
    assert other.logs == watch.logs
    expected, found = (m.variables + m.optimizer.variables + m.metrics_variables for m in (model, resumed))
    for a, b in zip(expected, found, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy(), a.path)


def test_a_backup_of_another_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Interruption):
        fit(make(), "shuffled", Watch(9), keras.callbacks.BackupAndRestore(tmp_path, 4))
    with pytest.raises(KerasflowError, match=r"other metrics.*metric 4"):
        fit(make(metrics=["mae", "mse"]), "shuffled", Watch(), keras.callbacks.BackupAndRestore(tmp_path, 4))


def test_a_backup_that_was_being_removed_is_none(tmp_path: Path) -> None:
    """The weights are gone, the number of the epoch is not: the training begins anew."""
    with pytest.raises(Interruption):
        fit(make(), "shuffled", Watch(15), keras.callbacks.BackupAndRestore(tmp_path))
    (tmp_path / "latest.weights.h5").unlink()
    watch = Watch()
    fit(make(), "shuffled", watch, keras.callbacks.BackupAndRestore(tmp_path))
    assert list(watch.logs) == [0, 1, 2, 3]


def test_a_model_that_was_resumed_is_trained_again(tmp_path: Path) -> None:
    """The number of the epoch does not outlive the training that it is for."""
    with pytest.raises(Interruption):
        fit(make(), "shuffled", Watch(15), keras.callbacks.BackupAndRestore(tmp_path))
    model, watches = make(), [Watch(), Watch()]
    for watch in watches:
        fit(model, "shuffled", watch, keras.callbacks.BackupAndRestore(tmp_path))
    assert [list(watch.logs) for watch in watches] == [[2, 3], [0, 1, 2, 3]]


def test_a_loop_of_ones_own_has_keras_s_backup(tmp_path: Path) -> None:
    """Outside of `fit` nobody knows the place in the data: weights and the epoch are restored, as in stock Keras."""
    model, other = make(), make()
    backup = keras.callbacks.BackupAndRestore(tmp_path)
    keras.callbacks.CallbackList([backup], model=model)
    model.fit(X, Y, verbose=0)
    backup.on_epoch_end(0)
    again = keras.callbacks.BackupAndRestore(tmp_path)
    keras.callbacks.CallbackList([again], model=other).on_train_begin()
    for a, b in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert other._initial_epoch == 1
