"""A training that is killed and started again until it is done, several times over.

    python killed.py BACKEND FOLDER SEED TRAININGS

A life of the training is a forked process. It counts moments: the ends of batches, and whatever it asks of the file
system while it trains. At a moment drawn by chance it kills itself (SIGKILL), so that also a backup that is half
written is met. TRAININGS says for each `save_freq` how many are killed again and again, as JSON; one more is left
alone. FOLDER gets the results of each training, and `lives.json` the moments at which its lives ended.
"""

import json
import os
import signal
import sys
from pathlib import Path
from random import Random

import kerasflow  # isort: skip  (before Keras)
import keras
import numpy as np
from keras import layers

EPOCHS = 3
FILES = {"open", "os.rename", "os.mkdir", "os.rmdir", "os.remove", "shutil.rmtree"}


class Moments(keras.callbacks.Callback):
    """Counts, and kills the process at the moment number `last`."""

    def __init__(self, last: int) -> None:
        super().__init__()
        self.last, self.count, self.training = last, 0, False
        sys.addaudithook(lambda event, arguments: self.pass_by() if event in FILES else None)

    def pass_by(self) -> None:
        if self.training:
            self.count += 1
            if self.count == self.last:
                os.kill(os.getpid(), signal.SIGKILL)

    def on_train_begin(self, logs: object = None) -> None:
        self.training = True

    def on_train_batch_end(self, batch: int, logs: object = None) -> None:
        self.pass_by()

    def on_train_end(self, logs: object = None) -> None:
        self.pass_by()


def train(folder: Path, save_freq: str | int, last: int) -> None:
    keras.utils.set_random_seed(5)
    x = np.random.standard_normal((60, 6)).astype("float32")
    y = (x[:, :1] * x[:, 1:2] > 0).astype("float32")
    model = keras.Sequential(
        [
            layers.Input((6,)),
            layers.Dense(16, "relu"),
            layers.Dropout(0.3),
            layers.BatchNormalization(),
            layers.GaussianNoise(0.1),
            layers.Dense(1, "sigmoid"),
        ]
    )
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    moments = Moments(last)
    callbacks = [
        moments,
        keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.9),
        keras.callbacks.CSVLogger(folder / "log.csv", append=True),
        keras.callbacks.BackupAndRestore(folder / "backup", save_freq=save_freq),
    ]
    model.fit(
        x, y, batch_size=8, epochs=EPOCHS, validation_split=0.2, shuffle=True, verbose=0, callbacks=callbacks
    )
    moments.training = False
    found = {f"{i} {v.path}": v.numpy() for i, v in enumerate(model.variables + model.optimizer.variables)}
    np.savez(folder / "found.npz", **found)
    (folder / "moments").write_text(str(moments.count))


def live(folder: Path, save_freq: str | int, last: int) -> int:
    """A life; 0, or the signal that ended it."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            train(folder, save_freq, last)
            code = 0
        finally:
            sys.stderr.flush()
            os._exit(code)
    _, status = os.waitpid(child, 0)
    assert not os.WIFEXITED(status) or os.WEXITSTATUS(status) == 0, "a life ended with an error"
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


def main(backend: str, place: str, seed: str, trainings: str) -> None:
    kerasflow.set_backend(backend)
    random, lives = Random(int(seed)), {}
    for key, count in json.loads(trainings).items():
        save_freq = int(key) if key.isdigit() else key
        for number in range(count + 1):  # Number 0 is not disturbed.
            folder = Path(place, f"{save_freq}-{number}")
            folder.mkdir()
            moments = int(Path(place, f"{save_freq}-0", "moments").read_text()) if number else 0
            ends: list[int] = []
            while True:
                # Of the later lives not all reach their moment, so that there is an end.
                last = random.randint(1, moments) if number else 0
                if not live(folder, save_freq, last):
                    break
                ends.append(last)
            lives[folder.name] = ends
    Path(place, "lives.json").write_text(json.dumps(lives))


if __name__ == "__main__":
    main(*sys.argv[1:])
