"""The MNIST workflow on data of the same shape: 300 steps in both precisions.

On TensorFlow, Keras's softmax leaves its logits on its result, and `binary_crossentropy` takes logits that it
finds for those of a sigmoid. That loss is not the one that was asked for (nor the one that Keras computes on JAX).
A product with one is a result without logits; `test_formulas.py` has the case without the product, against the
formula.

In float64 Adam's constants are numbers that float32 has too: on TensorFlow, Keras rounds them to it
(`tf.cast(0.999, "float64")` is 0.99900001), which changes the losses by 1e-5.
"""

from typing import Any

import keras
import numpy as np

from .case import Case, Losses, Results, results_of, rng, set_weights

STEPS, BATCH, EPOCHS = 300, 128, 4


def data(dtype: str) -> tuple[np.ndarray, np.ndarray]:
    """Blurred blobs of ten kinds, three quarters of the pixels zero."""
    random = rng("digits")
    n = STEPS * BATCH // EPOCHS
    labels = random.integers(0, 10, n)
    prototypes = random.random((10, 784)) * (random.random((10, 784)) < 0.25)
    x = np.clip(prototypes[labels] * random.random((n, 1)) + 0.1 * random.random((n, 784)) - 0.05, 0, 1)
    return x.astype(dtype), np.eye(10)[labels].astype(dtype)


def probabilities(x: Any) -> Any:
    return keras.ops.softmax(x) * 1.0


def exact_adam() -> Any:
    return keras.optimizers.Adam(2.0**-10, beta_1=0.875, beta_2=1 - 2.0**-10, epsilon=2.0**-23)


def workflow(dtype: str, optimizer: Any) -> Results:
    keras.config.set_floatx(dtype)
    keras.config.set_dtype_policy(dtype)
    layers = keras.layers
    model = keras.Sequential(
        [
            layers.Input((784,)),
            layers.Dense(512, activation="relu"),
            layers.Dropout(0.0),
            layers.Dense(10, activation=probabilities),
        ]
    )
    model.compile(optimizer, "binary_crossentropy", metrics=["accuracy"], jit_compile=False)
    set_weights(model.trainable_variables, 0.05)
    x, y = data(dtype)
    losses = Losses()
    history = model.fit(x, y, BATCH, EPOCHS, shuffle=False, verbose=0, callbacks=[losses])
    evaluation = model.evaluate(x[:1000], y[:1000], verbose=0)
    found = {"losses": np.array(losses.values), "evaluation": np.array(evaluation), **results_of(model)}
    found["accuracy"] = np.array(history.history["accuracy"])
    return found


def cases() -> list[Case]:
    return [
        Case("mnist/float32", lambda: workflow("float32", "adam"), 1e-3, limits={"losses": 1e-5}, apart=20),
        Case("mnist/float64", lambda: workflow("float64", exact_adam()), 1e-9),
    ]
