"""The zoo's training on a backend: from one seed one curve, dropout and shuffling on."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasflow.compiler import use_backend

if TYPE_CHECKING:
    from kerasflow.testing.keras_cases.zoo import Task

STEPS = 50
TOLERANCE = {"float32": 1e-4, "float64": 1e-9}
# So far must the weights move, relative to their size: a training that stands still agrees with every other.
MOVED = 1e-3


@functools.cache
def curve(
    architecture: Callable[..., Task], dtype: str, backend: str, slower: float
) -> tuple[np.ndarray, float]:
    """The losses of the first steps, and how far the weights have moved, relative to their size.

    Args:
        slower: by what the learning rates are multiplied.
    """
    import keras

    from kerasflow.testing.keras_cases.case import Losses
    from kerasflow.testing.keras_cases.zoo.pace import slow_down

    class Stop(keras.callbacks.Callback):
        """Ends the training after so many steps."""

        def on_train_batch_end(self, batch: int, logs: object = None) -> None:
            self.model.stop_training = len(losses.values) == STEPS

    policy, floatx = keras.config.dtype_policy(), keras.config.floatx()
    keras.utils.set_random_seed(3)
    keras.config.set_floatx(dtype)
    keras.config.set_dtype_policy(dtype)
    losses = Losses()
    try:
        with use_backend(backend):
            task = architecture()
            slow_down(task, slower)
            before = _weights(task.model)
            task.model.fit(
                *task.train,
                batch_size=task.batch_size,
                epochs=STEPS,
                verbose=0,
                callbacks=[losses, Stop()],
            )
            moved = np.linalg.norm(_weights(task.model) - before) / np.linalg.norm(before)
    finally:
        keras.config.set_floatx(floatx)
        keras.config.set_dtype_policy(policy)
    return np.array(losses.values), float(moved)


def _weights(model: Any) -> np.ndarray:
    return np.concatenate([np.ravel(v.numpy()) for v in model.trainable_variables])


def assert_same_curve(architecture: Callable[..., Task], dtype: str, backend: str, reference: str) -> None:
    """Train an architecture of the zoo on two backends and compare the losses.

    Args:
        dtype: a key of `TOLERANCE`.

    Raises:
        AssertionError: if a loss differs, or nothing was learned that could have differed.
    """
    from kerasflow.testing.keras_cases.zoo.pace import SLOWER

    slower = SLOWER.get(architecture.__name__, 1.0) if dtype == "float32" else 1.0
    expected, moved = curve(architecture, dtype, reference, slower)
    found, _ = curve(architecture, dtype, backend, slower)
    assert len(expected) == len(found) == STEPS
    assert moved > MOVED, f"the weights moved by {moved:.1e} of their size only"
    np.testing.assert_allclose(found, expected, rtol=TOLERANCE[dtype])
