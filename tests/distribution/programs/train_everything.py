"""What may be wrong where a batch is shared out, in small; keeps all results: python train_everything.py FILE.npz

Run on one process or several, it does not know.
"""

import sys
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

layers, found = keras.layers, {}
rng = np.random.default_rng(0)
images = rng.normal(size=(22, 6, 6, 2)).astype("float64")
labels = rng.integers(0, 3, 22)


def network(*first: Any, outputs: int = 3) -> Any:
    return keras.Sequential(
        [
            keras.Input((6, 6, 2)),
            *first,
            layers.Conv2D(3, 3, activation="tanh"),
            layers.BatchNormalization(),
            layers.Flatten(),
            layers.Dropout(0.4),
            layers.Dense(outputs, activation="softmax"),
        ]
    )


def keep(name: str, model: Any, history: Any = None) -> None:
    for key, values in (history.history if history else {}).items():
        found[f"{name} {key}"] = np.asarray(values)
    variables = {id(v): v for v in [*model.variables, *model.optimizer.variables]}
    for i, variable in enumerate(variables.values()):
        found[f"{name} variable {i}"] = np.asarray(variable)


def augmented() -> None:
    """Uneven last batches, random images and masks, validation, and what `evaluate` and `predict` give."""
    model = network(layers.RandomFlip(), layers.RandomRotation(0.1), layers.GaussianNoise(0.1))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(images, labels, batch_size=5, epochs=2, validation_split=0.2, verbose=0)
    keep("augmented", model, history)
    found["augmented evaluate"] = np.asarray(model.evaluate(images, labels, batch_size=6, verbose=0))
    found["augmented predict"] = model.predict(images, batch_size=9, verbose=0)
    found["augmented predict_on_batch"] = np.asarray(model.predict_on_batch(images[:1]))


def weighted() -> None:
    model = network()
    model.compile("sgd", "sparse_categorical_crossentropy", weighted_metrics=["accuracy"])
    weights = {0: 1.0, 1: 2.0, 2: 0.5}
    keep("class weights", model, model.fit(images, labels, batch_size=8, class_weight=weights, verbose=0))
    each = np.linspace(0, 2, 22)
    keep("sample weights", model, model.fit(images, labels, batch_size=8, sample_weight=each, verbose=0))
    found["on batch"] = np.asarray(model.train_on_batch(images[:5], labels[:5], sample_weight=each[:5]))


def measured() -> None:
    """Metrics that need more than a mean."""
    model = network()
    exact = [
        keras.metrics.AUC(),
        keras.metrics.TopKCategoricalAccuracy(2),
        keras.metrics.F1Score(average="macro"),
        keras.metrics.MeanIoU(3, sparse_y_true=False, sparse_y_pred=False),
        keras.metrics.PrecisionAtRecall(0.5),
    ]
    model.compile("adam", "categorical_crossentropy", metrics=exact)
    keep("metrics", model, model.fit(images, keras.utils.to_categorical(labels), batch_size=7, verbose=0))


def odd_optimizers() -> None:
    model = network()
    model.compile(
        keras.optimizers.Adam(
            gradient_accumulation_steps=2, use_ema=True, ema_overwrite_frequency=3, global_clipnorm=0.1
        ),
        "sparse_categorical_crossentropy",
    )
    keep("accumulation", model, model.fit(images, labels, batch_size=8, epochs=2, verbose=0))


def small_batches() -> None:
    """Batches with fewer samples than there are ranks."""
    model = network()
    model.compile("sgd", "sparse_categorical_crossentropy")
    keep("small batches", model, model.fit(images[:5], labels[:5], batch_size=2, verbose=0))


def with_values() -> None:
    """Without a program every rank computes all."""
    model = network()
    model.compile("sgd", "sparse_categorical_crossentropy", run_eagerly=True)
    keep("eager", model, model.fit(images[:6], labels[:6], batch_size=4, verbose=0))


def half_precision() -> None:
    """The loss is scaled, and a step that overflows is left out."""
    keras.config.set_dtype_policy("mixed_float16")
    model = keras.Sequential([keras.Input((72,)), layers.Dense(8, activation="relu"), layers.Dense(1)])
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(1e-3), initial_scale=2.0**19)
    model.compile(optimizer, "mse")
    history = model.fit(images.reshape(22, 72), labels, batch_size=8, epochs=2, verbose=0)
    keep("half", model, history)


CASES: list[Callable[[], None]] = [
    augmented, weighted, measured, odd_optimizers, small_batches, with_values, half_precision
]  # fmt: skip
keras.config.set_floatx("float64")
keras.config.set_dtype_policy("float64")
for case in CASES:
    keras.utils.set_random_seed(1)
    case()
if keras.src.backend.distribution_lib.process_id() == 0:
    np.savez(sys.argv[1], **found)
print("trained")
