"""Trains with every callback that writes: python keep_files.py [stop]; with "stop" it dies in the third epoch."""

import sys
from pathlib import Path

import keras
import numpy as np

keras.utils.set_random_seed(0)
rank = keras.src.backend.distribution_lib.process_id()
model = keras.Sequential(
    [keras.Input((4,)), keras.layers.Dense(8), keras.layers.Dropout(0.3), keras.layers.Dense(1)]
)
model.compile("adam", "mse")
x = np.random.default_rng(0).normal(size=(37, 4))
y = x.sum(axis=1, keepdims=True)


class Stop(keras.callbacks.Callback):
    def on_train_batch_begin(self, batch: int, logs: object = None) -> None:
        if "stop" in sys.argv and history.epoch == [0, 1] and batch == 2:
            sys.exit(7)


history = keras.callbacks.History()
early = keras.callbacks.EarlyStopping("loss", patience=4)
model.fit(
    x,
    y,
    batch_size=8,
    epochs=5,
    verbose=0,
    validation_split=0.2,
    callbacks=[
        history,
        keras.callbacks.BackupAndRestore("backup", save_freq=3),
        keras.callbacks.ModelCheckpoint("kept/best.keras", save_best_only=True, monitor="loss"),
        keras.callbacks.CSVLogger(f"log-{rank}.csv"),
        Stop(),
        early,
    ],
)
model.save("model.keras")
again = keras.models.load_model("model.keras")  # which rank 0 has written by now
np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))
model.save(f"own-{rank}.keras")
model.save_weights("w.weights.h5")
model.load_weights("w.weights.h5")
for folder in ("there is none", "nor here"):
    try:
        model.save(f"{folder}/model.keras")
    except OSError as problem:
        Path(f"refused-{rank}").write_text(str(type(problem)))
kept = {f"variable {i}": np.asarray(v) for i, v in enumerate([*model.variables, *model.optimizer.variables])}
if rank == 0:
    np.savez("kept.npz", loss=history.history["loss"], **kept)
print("kept")
