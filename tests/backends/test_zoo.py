"""The zoo's training on each backend: from one seed one curve, dropout and shuffling on."""

import sys
from collections.abc import Callable
from pathlib import Path

import kerasflow  # isort: skip  (before Keras)
import keras
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "keras"))

from graphs import installed_backends
from parity_case import Losses
from zoo import ARCHITECTURES, Task

STEPS = 50
OTHERS = [name for name in installed_backends() if name != "numpy"]
TOLERANCE = {"float32": 1e-4, "float64": 1e-9}
# In float32, of how many steps the losses are compared, and how closely. Where batch normalization comes before ReLU,
# or before a maximum, rounding moves some number across a kink, a gradient changes by a whole term, and from then on
# the networks part; that of the Wasserstein network is a small difference of large numbers.
FEWER = {"resnet": (1, 1e-4), "mobilenet_block": (4, 1e-4), "unet": (35, 1e-4), "wasserstein_gan": (1, 1e-3)}


class Stop(keras.callbacks.Callback):
    """Ends the training after so many steps."""

    def __init__(self, losses: Losses) -> None:
        super().__init__()
        self.losses = losses

    def on_train_batch_end(self, batch: int, logs: object = None) -> None:
        self.model.stop_training = len(self.losses.values) == STEPS


def curve(architecture: Callable[..., Task], dtype: str, backend: str) -> np.ndarray:
    """The losses of the first steps."""
    policy = keras.config.dtype_policy()
    keras.utils.set_random_seed(3)
    keras.config.set_floatx(dtype)
    keras.config.set_dtype_policy(dtype)
    losses = Losses()
    try:
        with kerasflow.use_backend(backend):
            task = architecture()
            task.model.fit(
                *task.train,
                batch_size=task.batch_size,
                epochs=STEPS,
                verbose=0,
                callbacks=[losses, Stop(losses)],
            )
    finally:
        keras.config.set_floatx("float32")
        keras.config.set_dtype_policy(policy)
    return np.array(losses.values)


@pytest.mark.parametrize("backend", OTHERS)
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=lambda f: f.__name__)
def test_same_curve(architecture: Callable[..., Task], dtype: str, backend: str) -> None:
    steps, tolerance = STEPS, TOLERANCE[dtype]
    if dtype == "float32":
        steps, tolerance = FEWER.get(architecture.__name__, (steps, tolerance))
    expected, found = curve(architecture, dtype, "numpy"), curve(architecture, dtype, backend)
    assert len(expected) == len(found) == STEPS
    np.testing.assert_allclose(found[:steps], expected[:steps], rtol=tolerance)
