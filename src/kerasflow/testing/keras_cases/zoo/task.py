"""What an architecture is trained on, and when it has learned."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np


@dataclass(frozen=True)
class Task:
    """A compiled model, its data, and a score that only a model that has learned reaches.

    Attributes:
        model: compiled: it has its loss and its optimizer.
        train: what `fit` gets: `(x,)` or `(x, y)`, arrays or nested structures of them.
        score: of the model on data that it was not trained on; higher is better.
        pass_mark: the score that it has to reach.
        blind: the best score without having seen what is to be learned, such as that of the most frequent label.
        epochs, batch_size: how long and how to train.
    """

    model: Any
    train: tuple[Any, ...]
    score: Callable[[Any], float]
    pass_mark: float
    blind: float
    epochs: int = 5
    batch_size: int = 32

    def fit(self, epochs: int | None = None) -> Any:
        """Train; the history."""
        return self.model.fit(
            *self.train, batch_size=self.batch_size, epochs=epochs or self.epochs, verbose=0
        ).history


def accuracy(x: Any, labels: np.ndarray, counts: Any = True) -> tuple[Callable[[Any], float], float]:
    """The share of labels that a model's probabilities name, and the share of the most frequent label.

    Args:
        x: what the model gets.
        labels: integers of any shape; the probabilities have one axis more.
        counts: which of the labels count (a padded one does not).
    """
    counted = np.broadcast_to(counts, labels.shape)

    def score(model: Any) -> float:
        return float((model.predict(x, verbose=0).argmax(axis=-1) == labels)[counted].mean())

    return score, float(np.bincount(labels[counted].astype(int)).max() / counted.sum())


def gradient_tape() -> Any:
    """The tape of what runs Keras here: in a `train_step` of one's own, that is not Keras's business."""
    if "kerasflow" in sys.modules:
        return sys.modules["kerasflow"].GradientTape()
    if keras.backend.backend() == "tensorflow":
        import tensorflow

        return tensorflow.GradientTape()
    raise NotImplementedError(f"Keras on {keras.backend.backend()!r} has no gradient tape")
