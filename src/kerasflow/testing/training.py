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
# By what the learning rate is multiplied in float32. In these networks rounding moves some number across a kink (of
# ReLU, of a maximum) within fifty steps, which changes a gradient by a whole term; at their own rates the curves part
# from there on, on any two machines. In float64 they are compared at their own rates.
SLOWER = {"resnet": 0.002, "mobilenet_block": 0.005, "unet": 0.03, "wasserstein_gan": 0.01}
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
            if slower != 1:
                for name in ("optimizer", "critic_optimizer"):
                    if hasattr(task.model, name):
                        setattr(task.model, name, _slower(getattr(task.model, name), slower))
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


def _slower(optimizer: Any, factor: float) -> Any:
    """The same optimizer at another rate; a schedule's first one is its `initial_learning_rate`."""
    config = optimizer.get_config()
    rate = config["learning_rate"]
    if isinstance(rate, dict):
        rate["config"]["initial_learning_rate"] *= factor
    else:
        config["learning_rate"] = rate * factor
    return type(optimizer).from_config(config)


def assert_same_curve(architecture: Callable[..., Task], dtype: str, backend: str, reference: str) -> None:
    """Train an architecture of the zoo on two backends and compare the losses.

    Args:
        dtype: a key of `TOLERANCE`.

    Raises:
        AssertionError: if a loss differs, or nothing was learned that could have differed.
    """
    slower = SLOWER.get(architecture.__name__, 1.0) if dtype == "float32" else 1.0
    expected, moved = curve(architecture, dtype, reference, slower)
    found, _ = curve(architecture, dtype, backend, slower)
    assert len(expected) == len(found) == STEPS
    assert moved > MOVED, f"the weights moved by {moved:.1e} of their size only"
    np.testing.assert_allclose(found, expected, rtol=TOLERANCE[dtype])
