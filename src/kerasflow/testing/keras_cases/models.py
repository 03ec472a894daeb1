"""Kinds of models, constraints, regularizers, precisions: a few steps of training, and prediction."""

from collections.abc import Callable
from functools import partial
from typing import Any

import keras
import numpy as np

from .case import (
    Case,
    Losses,
    Results,
    classes,
    known,
    normal,
    public_classes,
    results_of,
    rng,
    set_weights,
)

L = keras.layers
N, BATCH = 96, 16


def fit(model: Any, x: Any, y: Any, epochs: int = 2, **kwargs: Any) -> Results:
    """Losses, weights, optimizer variables, predictions and what `evaluate` says; the last batch is short."""
    set_weights(model.trainable_variables)
    losses = Losses()
    model.fit(x, y, 20, epochs, 0, shuffle=False, callbacks=[losses], **kwargs)
    found = {"losses": np.array(losses.values), **results_of(model)}
    found |= {
        f"evaluate {k}": np.asarray(v) for k, v in model.evaluate(x, y, 32, 0, return_dict=True).items()
    }
    return found | flat("predict", model.predict(x, 40, 0))


def flat(name: str, tree: Any) -> Results:
    return {f"{name} {i}": np.asarray(leaf) for i, leaf in enumerate(keras.tree.flatten(tree))}


def compiled(model: Any, optimizer: Any = None, loss: Any = "mse", **kwargs: Any) -> Any:
    optimizer = optimizer or keras.optimizers.SGD(0.05, momentum=0.9)
    model.compile(optimizer, loss, jit_compile=False, **kwargs)
    return model


def several() -> Results:
    """Two inputs, two outputs by name, weights of the losses, metrics of one of them."""
    a, b = keras.Input((6,), name="a"), keras.Input((4,), dtype="int32", name="b")
    h = L.Concatenate()([L.Dense(8, activation="relu")(a), L.Flatten()(L.Embedding(9, 3)(b))])
    outputs = {"value": L.Dense(2, name="value")(h), "kind": L.Dense(3, activation="softmax", name="kind")(h)}
    model = compiled(
        keras.Model({"a": a, "b": b}, outputs),
        loss={"value": "mse", "kind": "sparse_categorical_crossentropy"},
        loss_weights={"value": 0.3, "kind": 2.0},
        metrics={"kind": ["accuracy"]},
    )
    x = {"a": normal(N, 6), "b": classes(N * 4, 9).reshape(N, 4)}
    return fit(model, x, {"value": normal(N, 2, seed=1), "kind": classes(N, 3)})


def shared() -> Results:
    """One layer used three times, one of them on its own result."""
    a, b = keras.Input((6,)), keras.Input((6,))
    dense = L.Dense(6, activation="tanh")
    y = L.Dense(1)(L.Subtract()([dense(dense(a)), dense(b)]))
    return fit(compiled(keras.Model([a, b], y)), [normal(N, 6), normal(N, 6, seed=2)], normal(N, 1, seed=1))


def nested() -> Results:
    """A model in a model in a model; the innermost normalizes, the middle one is frozen but for it."""
    inner = keras.Sequential([L.Input((6,)), L.Dense(5, use_bias=False), L.BatchNormalization()])
    frozen = L.Dense(5, activation="relu", trainable=False)
    middle = keras.Sequential([L.Input((6,)), inner, frozen])
    model = keras.Sequential([L.Input((6,)), middle, L.Dropout(0.0), L.Dense(2)])
    frozen.kernel.assign(normal(5, 5, seed="frozen"))
    return fit(compiled(model), normal(N, 6), normal(N, 2, seed=1))


class Residual(keras.Model):
    """A subclass with a loss and a metric of its own, state of its own, and another computation in training."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = [L.Dense(6, activation="gelu") for _ in range(3)]
        self.norm = L.LayerNormalization()
        self.head = L.Dense(2)
        self.seen = self.add_weight(shape=(), initializer="zeros", trainable=False, name="seen")

    def call(self, x: Any, training: bool = False) -> Any:
        for block in self.blocks:
            x = x + block(self.norm(x))
        self.add_loss(0.01 * keras.ops.mean(keras.ops.square(x)))
        if training:
            self.seen.assign_add(keras.ops.cast(keras.ops.shape(x)[0], "float32"))
            x = x * 1.1
        return self.head(x)


def subclassed(**kwargs: Any) -> Results:
    model = compiled(Residual(), metrics=["mae"], **kwargs)
    model(normal(2, 6))  # builds
    model.seen.assign(0.0)
    return fit(model, normal(N, 6), normal(N, 2, seed=1))


def classifier(last: str = "softmax", **dense: Any) -> Any:
    layers = [L.Dense(12, activation="relu", **dense), L.BatchNormalization(), L.Dense(4, activation=last)]
    return keras.Sequential([L.Input((6,)), *layers])


def classify(
    model: Any = None, epochs: int = 2, labels: Any = None, fitting: Any = None, **kwargs: Any
) -> Results:
    model = compiled(
        model or classifier(), loss="sparse_categorical_crossentropy", metrics=["accuracy"], **kwargs
    )
    return fit(model, normal(N, 6), classes(N, 4) if labels is None else labels, epochs, **(fitting or {}))


def with_policy(policy: str, optimizer: Any = None) -> Results:
    """Losses and the dtypes of everything; weights in half precision differ in their last bits."""
    keras.config.set_dtype_policy(policy)
    model = keras.Sequential(
        [L.Input((6,)), L.Dense(12, activation="tanh"), L.LayerNormalization(), L.Dense(4)]
    )
    compiled(
        model, optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"]
    )
    return fit(model, normal(N, 6), classes(N, 4), 4)


def in_float64() -> Results:
    """With constants that float32 has too: on TensorFlow, Keras rounds some to it (see `mnist.py`)."""
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    optimizer = keras.optimizers.SGD(2.0**-5, momentum=0.875)
    last = L.Dense(4, kernel_regularizer=keras.regularizers.L2(2.0**-6))
    layers = [L.Dense(12, activation="tanh"), L.LayerNormalization(epsilon=2.0**-10), last]
    model = compiled(keras.Sequential([L.Input((6,)), *layers]), optimizer)
    return fit(model, normal(N, 6).astype("float64"), normal(N, 4, seed=1).astype("float64"), 4)


def constrained(constraint: Any) -> Results:
    return classify(classifier(kernel_constraint=constraint, bias_constraint="non_neg"))


def regularized(regularizer: Any) -> Results:
    return classify(classifier(kernel_regularizer=regularizer))


def adam() -> Any:
    return keras.optimizers.Adam(0.02)


CONSTRAINTS = {
    "MaxNorm": {"max_value": 0.7},
    "MinMaxNorm": {"min_value": 0.4, "max_value": 0.8, "rate": 0.6},
    "NonNeg": {},
    "UnitNorm": {},
}
REGULARIZERS = {
    "L1": {"l1": 0.02},
    "L1L2": {"l1": 0.02, "l2": 0.03},
    "L2": {"l2": 0.05},
    "OrthogonalRegularizer": {"factor": 0.05},
}


def case(name: str, run: Callable[[], Results], tolerance: float = 1e-4, **limits: float) -> Case:
    return Case(f"model/{name}", run, tolerance, limits=limits)


def cases() -> list[Case]:
    one_hot = np.eye(4, dtype="float32")[classes(N, 4)]
    found = [
        case("several inputs and outputs", several),
        case("shared layers", shared),
        case("nested", nested),
        case("subclassed", subclassed),
        case("steps per execution", lambda: classify(steps_per_execution=3)),
        case("class weight", lambda: classify(fitting={"class_weight": {0: 1.0, 1: 0.2, 2: 3.0, 3: 1.5}})),
        case("validation", lambda: classify(fitting={"validation_split": 0.3})),
        case("sample weight", lambda: classify(fitting={"sample_weight": rng("w").random(N, "float32") * 2})),
        case("labels in a column", lambda: classify(labels=classes(N, 4)[:, None])),
        case("mse of one hot", lambda: fit(compiled(classifier(), adam()), normal(N, 6), one_hot)),
        case("float64", in_float64, 1e-9),
        case("float16", partial(with_policy, "float16"), 5e-2),
        case("mixed_float16", partial(with_policy, "mixed_float16"), 2e-2),
        case("mixed_bfloat16", partial(with_policy, "mixed_bfloat16"), 5e-2),
    ]
    constraints, regularizers = keras.constraints, keras.regularizers
    for name, cls in known(CONSTRAINTS, public_classes(constraints, constraints.Constraint)).items():
        found.append(Case(f"constraint/{name}", partial(constrained, cls(**CONSTRAINTS[name])), covers=name))
    for name, cls in known(REGULARIZERS, public_classes(regularizers, regularizers.Regularizer)).items():
        found.append(
            Case(f"regularizer/{name}", partial(regularized, cls(**REGULARIZERS[name])), covers=name)
        )
    return found
