"""The callbacks that Keras ships and that name no framework."""

from __future__ import annotations

import csv
import math
import sys
import types

import kerasflow  # noqa: F401  # isort: skip  (before Keras)
import keras
import numpy as np
import pytest
from keras import callbacks, layers

X = np.random.default_rng(3).normal(size=(24, 3)).astype("float32")
Y = X.sum(1, keepdims=True)


def make(optimizer="sgd", seed=0):
    keras.utils.set_random_seed(seed)
    model = keras.Sequential([layers.Input((3,)), layers.Dense(4), layers.Dense(1)])
    model.compile(optimizer, "mse", metrics=["mae"])
    return model


def fit(model, *with_callbacks, **kwargs):
    kwargs = {"epochs": 4, "batch_size": 8, "verbose": 0, "validation_data": (X, Y), **kwargs}
    return model.fit(X, Y, callbacks=list(with_callbacks), **kwargs)


def same(a, b):
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def test_every_callback_is_called():
    names = [
        f"on_{where}{part}_{when}"
        for where in ("train", "test", "predict")
        for part in ("", "_batch")
        for when in ("begin", "end")
    ]
    names += ["on_epoch_begin", "on_epoch_end"]
    called = []
    recorder = callbacks.Callback()
    for name in names:
        setattr(recorder, name, lambda *_, name=name, **__: called.append(name))
    model = make()
    fit(model, recorder, epochs=1)
    model.predict(X, verbose=0, callbacks=[recorder], batch_size=8)
    assert {name: called.count(name) for name in names} == {
        name: 3 if "batch" in name else 1 for name in names
    }
    assert called[:3] == ["on_train_begin", "on_epoch_begin", "on_train_batch_begin"]


def test_logs_are_python_numbers():
    seen = []
    fit(make(), callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append(logs)), epochs=1)
    assert len(seen) == 3
    assert all(type(value) is float for logs in seen for value in logs.values())


def test_history():
    model = make()
    history = fit(model)
    assert history is model.history
    assert history.epoch == [0, 1, 2, 3]
    assert set(history.history) == {"loss", "mae", "val_loss", "val_mae"}


def test_early_stopping_restores_the_best_weights():
    model = make()
    weights = []

    class Worse(callbacks.Callback):
        """The first epoch is the best: afterwards the weights are pushed away."""

        def on_epoch_begin(self, epoch, logs=None):
            if epoch:
                self.model.set_weights([w + 10 for w in self.model.get_weights()])

        def on_epoch_end(self, epoch, logs=None):
            weights.append(self.model.get_weights())

    stopping = callbacks.EarlyStopping(patience=2, restore_best_weights=True)
    history = fit(model, Worse(), stopping, epochs=10)
    assert stopping.stopped_epoch == 2
    assert len(history.epoch) == 3
    assert same(model.get_weights(), weights[0])
    assert not same(model.get_weights(), weights[1])


@pytest.mark.parametrize("weights_only", [False, True])
def test_model_checkpoint(tmp_path, weights_only):
    model = make("adam")
    ending = ".weights.h5" if weights_only else ".keras"
    path = str(tmp_path / ("{epoch:02d}" + ending))
    kept = []
    fit(
        model,
        callbacks.ModelCheckpoint(path, save_weights_only=weights_only),
        callbacks.LambdaCallback(on_epoch_end=lambda *_: kept.append(model.get_weights())),
    )
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"{i:02d}{ending}" for i in range(1, 5)]
    if weights_only:
        loaded = make(seed=1)
        loaded.load_weights(path.format(epoch=2))
    else:
        loaded = keras.models.load_model(path.format(epoch=2))
        assert int(loaded.optimizer.iterations.numpy()) == 6
    assert same(loaded.get_weights(), kept[1])


def test_csv_logger(tmp_path):
    history = fit(make(), callbacks.CSVLogger(tmp_path / "log.csv"))
    rows = list(csv.DictReader((tmp_path / "log.csv").open()))
    assert [float(row["loss"]) for row in rows] == history.history["loss"]


def test_learning_rates():
    model, rates = make(), []
    fit(
        model,
        callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2),
        callbacks.LambdaCallback(
            on_epoch_end=lambda *_: rates.append(float(model.optimizer.learning_rate.numpy()))
        ),
    )
    np.testing.assert_allclose(rates, [0.005, 0.0025, 0.00125, 0.000625])
    frozen = make()
    before = frozen.get_weights()
    fit(frozen, callbacks.LearningRateScheduler(lambda epoch: 0.0))
    assert same(frozen.get_weights(), before)


def test_reduce_lr_on_plateau():
    model = make()
    reducing = callbacks.ReduceLROnPlateau("val_loss", factor=0.1, patience=1, min_delta=100.0)
    history = fit(model, reducing).history
    np.testing.assert_allclose(history["learning_rate"], [0.01, 0.01, 0.001, 0.0001], rtol=1e-5)


def test_terminate_on_nan():
    model = make()
    labels = Y.copy()
    labels[0] = np.nan
    history = model.fit(X, labels, epochs=5, batch_size=24, verbose=0, callbacks=[callbacks.TerminateOnNaN()])
    assert len(history.epoch) == 1
    assert math.isnan(history.history["loss"][0])


def test_backup_and_restore(tmp_path):
    class Interrupt(callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise KeyboardInterrupt

    backup = tmp_path / "backup"
    model = make("adam")
    with pytest.raises(KeyboardInterrupt):
        fit(model, Interrupt(), callbacks.BackupAndRestore(backup), shuffle=False)
    resumed = make("adam", seed=9)
    assert fit(resumed, callbacks.BackupAndRestore(backup), shuffle=False).epoch == [2, 3]
    reference = make("adam")
    fit(reference, shuffle=False)
    assert same(resumed.get_weights(), reference.get_weights())


def test_swap_ema_weights():
    model = make(keras.optimizers.SGD(0.05, use_ema=True, ema_momentum=0.9))
    plain = []
    fit(
        model,
        callbacks.LambdaCallback(on_epoch_end=lambda *_: plain.append(model.get_weights())),
        callbacks.SwapEMAWeights(swap_on_epoch=True),
    )
    averages = [v for v in model.optimizer.variables if "average" in v.path]
    assert len(averages) == 4
    assert not same(model.get_weights(), plain[-1])
    # At the end of training the optimizer puts its averages into the model.
    assert all(np.isfinite(w).all() for w in model.get_weights())


def test_stop_training():
    stop = callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: setattr(stop.model, "stop_training", True)
    )
    history = fit(make(), stop)
    assert history.epoch == [0]
    assert "val_loss" in history.history


def test_tensorboard(tmp_path):
    pytest.importorskip("tensorflow")
    fit(make(), callbacks.TensorBoard(tmp_path, histogram_freq=1))
    for part in ("train", "validation"):
        assert [path.stat().st_size > 0 for path in (tmp_path / part).glob("events.out.tfevents.*")] == [True]


@pytest.mark.parametrize("missing", ["tensorflow", "tensorboard"])
def test_tensorboard_without_its_modules(missing, monkeypatch, tmp_path):
    model = make()
    monkeypatch.setitem(sys.modules, "tensorflow", types.ModuleType("tensorflow"))
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(
        ModuleNotFoundError, match=rf'{missing}.*pip install "kerasflow\[tensorflow\]" tensorboard'
    ):
        fit(model, callbacks.TensorBoard(tmp_path))
