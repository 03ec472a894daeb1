"""The MNIST workflow, in plain Keras: from images to a trained, evaluated network and its predictions."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from kerasflow.datasets.standin import Split
from kerasflow.errors import DatasetError

CLASSES = 10
PIXELS = 28 * 28
VALIDATION = 1_000  # the first training images, held back to watch the training


@dataclass(frozen=True)
class Outcome:
    """What a training run gives.

    Attributes:
        model: the trained Keras model.
        history: loss, accuracy, val_loss and val_accuracy, a number for each epoch.
        loss: on the test images.
        accuracy: on the test images, from 0 to 1.
        predictions: float32 (test images, 10), a probability for each digit.
    """

    model: Any
    history: dict[str, list[float]]
    loss: float
    accuracy: float
    predictions: NDArray[np.float32]


class Interrupted(KeyboardInterrupt):
    """Ctrl-C after the training had begun. Its text says how far it had come.

    Attributes:
        model: as its last whole step has left it.
        steps: how many steps it has been trained.
    """

    def __init__(self, model: Any, steps: int, text: str) -> None:
        super().__init__(text)
        self.model = model
        self.steps = steps


def prepare(images: NDArray[np.uint8], labels: NDArray[np.uint8]) -> tuple[NDArray, NDArray]:
    """Images (n, 28, 28) as float32 rows (n, 784) from 0 to 1; labels (n,) one-hot as float32 (n, 10)."""
    x = images.reshape(len(images), PIXELS).astype("float32") / 255
    y = keras.utils.to_categorical(labels, CLASSES).astype("float32")
    return x, y


def build_model() -> Any:
    """The network: 784 pixels, 512 hidden units with dropout, 10 probabilities."""
    model = keras.Sequential(
        [
            keras.Input((PIXELS,)),
            keras.layers.Dense(512, activation="relu"),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(CLASSES, activation="softmax"),
        ]
    )
    model.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"])
    return model


def train(
    training: Split,
    test: Split,
    *,
    epochs: int = 20,
    batch_size: int = 128,
    seed: int = 0,
    verbose: int = 1,
) -> Outcome:
    """Trains the network, evaluates it and predicts the test images.

    Args:
        training: images (n, 28, 28) and labels (n,), uint8; the first 1,000 are for validation.
        test: the same, for the evaluation.
        epochs: passes over the training images.
        batch_size: images a step.
        seed: of the initial weights, the shuffling and the dropout.
        verbose: as Keras's: 1 shows progress bars, 2 a line an epoch.

    Raises:
        DatasetError: there are no more than 1,000 training images.
        Interrupted: Ctrl-C was pressed.
    """
    if len(training[0]) <= VALIDATION:
        raise DatasetError(
            f"Training needs more than {VALIDATION:,} images, for the first {VALIDATION:,} are held back for "
            f"validation; received {len(training[0]):,}."
        )
    keras.utils.set_random_seed(seed)
    x, y = prepare(*training)
    x_test, y_test = prepare(*test)
    model = build_model()
    try:
        history = model.fit(
            x[VALIDATION:],
            y[VALIDATION:],
            epochs=epochs,
            batch_size=batch_size,
            validation_data=(x[:VALIDATION], y[:VALIDATION]),
            verbose=verbose,
        )
        loss, accuracy = model.evaluate(x_test, y_test, batch_size=batch_size, verbose=verbose)
        predictions = model.predict(x_test, batch_size=batch_size, verbose=verbose)
    except KeyboardInterrupt:
        steps = int(model.optimizer.iterations)
        done = steps // math.ceil((len(x) - VALIDATION) / batch_size)
        text = f"interrupted after {done} of {epochs} epochs, {steps:,} steps in all"
        raise Interrupted(model, steps, text) from None
    return Outcome(model, history.history, loss, accuracy, predictions)
