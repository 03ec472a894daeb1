"""Transfer learning: layers frozen, set free, put under new heads; Keras's applications."""

import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from .case import Case, Results, classes, normal, rng, set_weights

L = keras.layers
N = 48


def base() -> Any:
    """Features of images: a convolution, a normalization."""
    model = keras.Sequential(
        [
            L.Input((6, 6, 2)),
            L.Conv2D(3, 3, use_bias=False, name="convolution"),
            L.BatchNormalization(momentum=0.5, name="normalization"),
            L.ReLU(),
            L.Flatten(),
        ],
        name="base",
    )
    set_weights(model.trainable_variables)
    return model


def with_head(features: Any, kinds: int, scale: float = 0.2) -> Any:
    """The features under a new head, compiled."""
    inputs = keras.Input((6, 6, 2))
    head = L.Dense(kinds, activation="softmax", name=f"of_{kinds}")
    model = keras.Model(inputs, head(features(inputs)))
    set_weights(head.trainable_variables, scale)
    return compiled(model)


def compiled(model: Any) -> Any:
    model.compile(keras.optimizers.Adam(0.02), "sparse_categorical_crossentropy", jit_compile=False)
    return model


def stage(name: str, model: Any, kinds: int) -> Results:
    """What an epoch changes: the loss, the weights, and how many variables the optimizer has."""
    x = normal(N, 6, 6, 2, scale=2.0) + 0.5
    fit = model.fit(x, classes(N, kinds), 16, 1, verbose=0, shuffle=False)
    found: Results = {f"{name}: loss": np.array(fit.history["loss"])}
    found |= {f"{name}: weight {i} {w.name}": w.numpy() for i, w in enumerate(model.weights)}
    found[f"{name}: optimizer"] = np.array(len(model.optimizer.variables))
    return found | {f"{name}: predict": model.predict(x, 16, verbose=0)}


def usual_way() -> Results:
    """Features learned for one task, frozen for another, and at last set free."""
    features = base()
    found = stage("learn", with_head(features, 3), 3)
    features.trainable = False
    model = with_head(features, 4)
    found |= stage("frozen", model, 4)
    features.trainable = True
    features.get_layer("normalization").trainable = False
    return found | stage("free", compiled(model), 4)


def without_compiling_again() -> Results:
    """A change of `trainable` behind a compiled step counts from the next `compile` on."""
    features = base()
    model = with_head(features, 3)
    found = stage("before", model, 3)
    features.trainable = False
    found |= stage("changed", model, 3)
    return found | stage("compiled", compiled(model), 3)


def application(make: Callable[..., Any], training: bool) -> Callable[[], Results]:
    """A network of `keras.applications`: a prediction, and a step of training."""

    def run() -> Results:
        keras.config.set_dtype_policy("float64")
        keras.config.set_floatx("float64")
        model = make(weights=None, input_shape=(32, 32, 3), classes=5)
        for i, weight in enumerate(model.weights):
            if len(weight.shape) > 1:  # The numbers that go through keep their size.
                *window, inputs, outputs = weight.shape
                summands = math.prod(window) * (1 if outputs == 1 else inputs)
                weight.assign(rng(f"weight {i}").standard_normal(weight.shape) * math.sqrt(2 / summands))
        x = rng("images").uniform(0, 255, (8, 32, 32, 3))
        found: Results = {"predict": model.predict(x, verbose=0)}
        if training:
            model.compile(
                keras.optimizers.SGD(2.0**-10), "sparse_categorical_crossentropy", jit_compile=False
            )
            found["losses"] = np.array([model.train_on_batch(x, classes(8, 5))])
            # Only kernels: a shift before a normalization has no effect, so that its derivative is rounding alone.
            kernels = [w for w in model.weights if len(w.shape) > 1]
            found |= {f"weight {i} {w.name}": w.numpy() for i, w in enumerate(kernels)}
        return found

    return run


def cases() -> list[Case]:
    made = keras.applications
    return [
        Case("transfer/the usual way", usual_way),
        Case("transfer/without compiling again", without_compiling_again),
        Case("application/MobileNetV2", application(made.MobileNetV2, True), 1e-9, checked=False, large=True),
        Case("application/EfficientNetB0", application(made.EfficientNetB0, False), 1e-9, large=True),
    ]
