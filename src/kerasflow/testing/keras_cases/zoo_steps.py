"""The zoo: the loss of each of the first 20 steps, from the same weights, without random numbers in the step.

In float64 they agree to nine digits. In float32 the networks of `zoo.pace.SLOWER` train at a lower rate.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import keras
import numpy as np

from .case import Case, Losses, Results, rng
from .zoo import ARCHITECTURES, Task
from .zoo.pace import SLOWER, slow_down

STEPS = 20
TOLERANCE = {"float32": 1e-4, "float64": 1e-9}


def set_kernels(task: Task) -> None:
    """The same random kernels under both engines, as large as layers begin with; the rest begins without chance."""
    for i, variable in enumerate(task.model.trainable_variables):
        if len(variable.shape) > 1:
            scale = 1 / np.sqrt(np.prod(variable.shape[:-1]))
            kernel = rng(f"kernel {i}").standard_normal(variable.shape) * scale
            variable.assign(kernel.astype("float32").astype(variable.dtype))


def comparable(optimizer: Any) -> Any:
    """The same optimizer, without two things in which Keras on TensorFlow differs from Keras on JAX.

    Its constants are made numbers that float32 has: `tf.cast(0.999, "float64")` is 0.99900001. For the other see
    `with_whole_gradients`.
    """
    config = keras.tree.map_structure(
        lambda x: float(np.float32(x)) if isinstance(x, float) else x, optimizer.get_config()
    )
    return with_whole_gradients(type(optimizer).from_config(config))


def with_whole_gradients(optimizer: Any) -> Any:
    """The optimizer; on TensorFlow it is made to get the gradient of an embedding as a whole array.

    There it is a list of rows, in which a row may occur several times, and Adam squares them one by one.
    """
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        apply = optimizer.apply
        optimizer.apply = lambda gradients, *variables: apply(
            [tf.convert_to_tensor(g) for g in gradients], *variables
        )
    return optimizer


def first_steps(architecture: Callable[..., Task], dtype: str) -> Results:
    keras.config.set_floatx(dtype)
    keras.config.set_dtype_policy(dtype)
    task = architecture(exact=True)
    set_kernels(task)
    if dtype == "float32":
        slow_down(task, SLOWER.get(architecture.__name__, 1.0))
    for name in ("optimizer", "critic_optimizer"):
        if hasattr(task.model, name):
            setattr(task.model, name, comparable(getattr(task.model, name)))
    losses = Losses()
    task.model.fit(
        *task.train,
        batch_size=task.batch_size,
        steps_per_epoch=STEPS,
        shuffle=False,
        verbose=0,
        callbacks=[losses],
    )
    assert len(losses.values) == STEPS
    return {"losses": np.array(losses.values)}


def cases() -> list[Case]:
    found = []
    for architecture in ARCHITECTURES:
        name = architecture.__name__
        for dtype, tolerance in TOLERANCE.items():
            run = partial(first_steps, architecture, dtype)
            found.append(Case(f"zoo/{name} {dtype}", run, tolerance, checked=False))
    return found
