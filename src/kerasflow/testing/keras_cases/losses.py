"""Every loss with its options: 20 steps of a small network, and its values without reduction."""

from collections.abc import Callable
from functools import partial
from typing import Any

import keras
import numpy as np

from .case import Case, Results, classes, known, normal, public_classes, rng, train

STEPS, BATCH, WIDTH = 20, 12, 4
N = STEPS * BATCH


def one_hot(n: int = N, k: int = WIDTH) -> np.ndarray:
    return np.eye(k, dtype="float32")[classes(n, k, "labels")]


def bits() -> np.ndarray:
    return rng("bits").integers(0, 2, (N, WIDTH)).astype("float32")


def reals() -> np.ndarray:
    return normal(N, WIDTH, seed="targets")


def positive() -> np.ndarray:
    return np.abs(reals()) + 0.1


def probabilities() -> np.ndarray:
    x = np.exp(reals())
    return x / x.sum(-1, keepdims=True)


def labels() -> np.ndarray:
    return classes(N, WIDTH, "labels")


def alignments() -> np.ndarray:
    """Three labels out of 1 and 2 a sample, padded with 0."""
    y = rng("alignments").integers(1, 3, (N, 3)).astype("int32")
    y[::3, 2] = 0
    return y


# For each loss: its targets, the network's last activation, and the options to try.
Entry = tuple[Callable[[], np.ndarray], Any, dict[str, dict[str, Any]]]
REGRESSION: Entry = (reals, None, {})
LOGITS = {"from_logits": {"from_logits": True}}
SMOOTHED = {
    "label_smoothing": {"label_smoothing": 0.2},
    "logits, smoothing": {"from_logits": True, "label_smoothing": 0.1},
}
LOSSES: dict[str, Entry] = {
    "BinaryCrossentropy": (bits, "sigmoid", LOGITS | SMOOTHED),
    "BinaryFocalCrossentropy": (
        bits,
        "sigmoid",
        LOGITS | SMOOTHED | {"balanced": {"apply_class_balancing": True, "alpha": 0.3, "gamma": 1.5}},
    ),
    "CTC": (alignments, None, {}),
    "CategoricalCrossentropy": (one_hot, "softmax", LOGITS | SMOOTHED),
    "CategoricalFocalCrossentropy": (
        one_hot,
        "softmax",
        LOGITS | SMOOTHED | {"gamma": {"alpha": 0.4, "gamma": 3.0}},
    ),
    "CategoricalGeneralizedCrossEntropy": (labels, "softmax", {"q": {"q": 0.3}}),
    "CategoricalHinge": (one_hot, None, {}),
    "Circle": (
        labels,
        "unit",
        {"gamma": {"gamma": 20.0, "margin": 0.2}, "diagonal": {"remove_diagonal": False}},
    ),
    "CosineSimilarity": (reals, None, {"axis": {"axis": 1}}),
    "Dice": (bits, "sigmoid", {"axis": {"axis": (1,)}}),
    "Hinge": (bits, None, {}),
    "Huber": (reals, None, {"delta": {"delta": 0.3}}),
    "KLDivergence": (probabilities, "softmax", {}),
    "LogCosh": REGRESSION,
    "MeanAbsoluteError": REGRESSION,
    "MeanAbsolutePercentageError": (positive, None, {}),
    "MeanSquaredError": REGRESSION,
    "MeanSquaredLogarithmicError": (positive, "softplus", {}),
    "Poisson": (positive, "softplus", {}),
    "SparseCategoricalCrossentropy": (labels, "softmax", LOGITS | {"ignore_class": {"ignore_class": 2}}),
    "SquaredHinge": (bits, None, {}),
    "Tversky": (bits, "sigmoid", {"weighted": {"alpha": 0.3, "beta": 0.7}, "axis": {"axis": (1,)}}),
}
# Losses in the hundreds are chaotic at the others' learning rate.
RATES = {"Circle": 1e-3, "MeanAbsolutePercentageError": 1e-4}
REDUCTIONS = ("sum", "mean", "mean_with_sample_weight")


def network(name: str, last: Any) -> Any:
    layers = keras.layers
    stack = [layers.Input((6,)), layers.Dense(8, activation="tanh")]
    if name == "CTC":
        stack += [layers.Dense(8 * WIDTH), layers.Reshape((8, WIDTH))]
    elif last == "unit":
        stack += [layers.Dense(WIDTH), layers.UnitNormalization()]
    else:
        stack += [layers.Dense(WIDTH, activation=last)]
    return keras.Sequential(stack)


def fit(name: str, weighted: bool = False, **kwargs: Any) -> Results:
    targets, last, _ = LOSSES[name]
    loss = getattr(keras.losses, name)(**kwargs)
    model = network(name, None if kwargs.get("from_logits") else last)
    model.compile(keras.optimizers.SGD(RATES.get(name, 0.05), momentum=0.8), loss, jit_compile=False)
    y = targets()
    weight: dict[str, Any] = (
        {"sample_weight": rng("weights").uniform(0, 2, N).astype("float32")} if weighted else {}
    )
    x = normal(N, 6)
    found = train(model, x, y, BATCH, **weight)
    # Outside a program, on plain arrays, not reduced.
    plain = getattr(keras.losses, name)(**(kwargs | {"reduction": None}))
    outputs = rng("outputs").uniform(0.05, 0.3, (BATCH, *model.output_shape[1:])).astype("float32")
    return found | {"values": keras.ops.convert_to_numpy(plain(y[:BATCH], outputs))}


def fit_masked(name: str, weighted: bool, **kwargs: Any) -> Results:
    """A mask from `Masking` reaches the loss, with or without weights for each time step."""
    layers = keras.layers
    x = normal(N, 5, 3)
    x[rng("mask").random((N, 5)) < 0.3] = 0
    targets, last, _ = LOSSES[name]
    y = np.stack([np.roll(targets(), i, axis=0) for i in range(5)], axis=1)
    model = keras.Sequential([layers.Input((5, 3)), layers.Masking(), layers.Dense(WIDTH, activation=last)])
    model.compile(keras.optimizers.SGD(0.05), getattr(keras.losses, name)(**kwargs), jit_compile=False)
    weight: dict[str, Any] = (
        {"sample_weight": rng("weights").uniform(0, 2, (N, 5)).astype("float32")} if weighted else {}
    )
    return train(model, x, y, BATCH, **weight)


def cases() -> list[Case]:
    found = []
    for name in known(LOSSES, public_classes(keras.losses, keras.losses.Loss)):
        variants = {"plain": {}, "sample_weight": {"weighted": True}} | LOSSES[name][2]
        for option, kwargs in variants.items():
            found.append(Case(f"loss/{name} {option}", partial(fit, name, **kwargs), covers=name))
    for name in ("MeanSquaredError", "BinaryCrossentropy"):
        for reduction in REDUCTIONS:
            run = partial(fit, name, weighted=True, reduction=reduction)
            found.append(Case(f"loss/{name} {reduction}", run))
    crossentropies = ("BinaryCrossentropy", "CategoricalCrossentropy", "SparseCategoricalCrossentropy")
    for name in ("MeanSquaredError", *crossentropies):
        for weighted in (False, True):
            run = partial(fit_masked, name, weighted)
            found.append(Case(f"loss/{name} masked{' and weighted' * weighted}", run))
    run = partial(fit_masked, "MeanSquaredError", True, reduction="mean_with_sample_weight")
    found.append(Case("loss/MeanSquaredError masked, mean_with_sample_weight", run))
    return found
