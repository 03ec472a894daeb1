"""Recurrent layers and cells: value, gradients, states; training over several batches."""

from collections.abc import Callable
from functools import partial
from typing import Any

import keras
import numpy as np

from .case import Case, Results, classes, normal, rng, train
from .layer_use import Use, use_cases

L = keras.layers

X = normal(4, 7, 5)
# Padding in the middle and at both ends; one sequence is empty.
MASK = np.array(
    [
        [1, 1, 1, 1, 1, 1, 1],
        [0, 0, 1, 1, 0, 1, 0],
        [1, 0, 0, 0, 0, 0, 1],
        [0, 0, 0, 0, 0, 0, 0],
    ],
    bool,
)
STATE, CELL_STATE = normal(4, 3, seed="state"), normal(4, 3, seed="cell state")
VIDEO = {n: normal(2, 4, *(5, 6, 4)[:n], 2) for n in (1, 2, 3)}
SEEN = np.array([[1, 1, 0, 1], [0, 1, 1, 1]], bool)


def masked(make: Callable[[], Any], mask: Any = MASK, x: Any = X) -> Use:
    return Use(make, x, call=(("mask", mask),))


def with_states(make: Callable[[], Any], x: Any = X) -> Use:
    """What the layer returns with `return_state`, side by side."""

    def model() -> Any:
        inputs = keras.Input(x.shape[1:])
        found = keras.tree.flatten(make()(inputs))
        flat = [L.Flatten()(y) for y in found]
        return keras.Model(inputs, L.Concatenate()(flat))

    return Use(model, x)


class Minimal(keras.layers.Layer):
    """A cell with a state and an output of different sizes, one of which is no state."""

    def __init__(self, units: int) -> None:
        super().__init__()
        self.units, self.state_size, self.output_size = units, units, 2 * units

    def build(self, shape: Any) -> None:
        self.kernel = self.add_weight(shape=(shape[-1], self.units), name="kernel")
        self.back = self.add_weight(shape=(self.units, self.units), name="back")

    def call(self, inputs: Any, states: Any) -> Any:
        h = keras.ops.tanh(inputs @ self.kernel) + keras.ops.sin(states[0] @ self.back)
        return keras.ops.concatenate([h, h * h], axis=-1), [h]


class Attending(Minimal):
    """A cell that returns its state as it is, not in a list, and calls another layer."""

    def __init__(self, units: int) -> None:
        super().__init__(units)
        self.output_size = units
        self.dense = L.Dense(units, activation="sigmoid")

    def build(self, shape: Any) -> None:
        super().build(shape)
        self.dense.build(shape)

    def call(self, inputs: Any, states: Any) -> Any:
        h = self.dense(inputs) * keras.ops.tanh(states[0] @ self.back) + inputs @ self.kernel
        return h, h


def stacked(**kwargs: Any) -> Any:
    cells = [L.LSTMCell(4), L.GRUCell(3), L.SimpleRNNCell(2)]
    return L.RNN(L.StackedRNNCells(cells), **kwargs)


def _recurrent(cls: Any, *states: Any, **more: Use) -> dict[str, Use]:
    """The ways that are the same for every recurrent layer."""
    return {
        "": Use(lambda: cls(3), X),
        "sequences": Use(lambda: cls(3, return_sequences=True), X),
        "backwards": Use(lambda: cls(3, return_sequences=True, go_backwards=True), X),
        "states": with_states(lambda: cls(3, return_sequences=True, return_state=True)),
        "unrolled": Use(lambda: cls(3, unroll=True, return_sequences=True), X),
        "initial state": Use(lambda: cls(3), X, call=(("initial_state", list(states)),)),
        "one step": Use(lambda: cls(3), X[:, :1]),
        "masked": masked(lambda: cls(3)),
        "masked, sequences": masked(lambda: cls(3, return_sequences=True)),
        "masked, zero output": masked(lambda: cls(3, return_sequences=True, zero_output_for_mask=True)),
        "masked, backwards": masked(lambda: cls(3, return_sequences=True, go_backwards=True)),
        "masked, unrolled": masked(lambda: cls(3, return_sequences=True, unroll=True)),
        "masked, unrolled, zero output": masked(
            lambda: cls(3, return_sequences=True, unroll=True, zero_output_for_mask=True)
        ),
        "relu, no bias": Use(lambda: cls(3, activation="relu", use_bias=False), X),
        "dropout": Use(lambda: cls(3, dropout=0.5, recurrent_dropout=0.5), X, random=True),
        **more,
    }


def cell(make: Callable[[], Any], *states: Any) -> Use:
    """One step of a cell."""

    def model() -> Any:
        inputs = [keras.Input(x.shape[1:]) for x in (X[:, 0], *states)]
        output, new = make()(inputs[0], inputs[1:])
        return keras.Model(inputs, L.Concatenate()([output, *keras.tree.flatten(new)]))

    return Use(model, (X[:, 0], *states))


def apart(mode: str | None) -> Any:
    """A bidirectional layer; what it gives apart is put side by side."""
    inputs = keras.Input(X.shape[1:])
    found = L.Bidirectional(L.LSTM(3), merge_mode=mode)(inputs)
    return keras.Model(inputs, L.Concatenate()(found) if mode is None else found)


USES: dict[str, dict[str, Use]] = {
    "SimpleRNN": _recurrent(L.SimpleRNN, STATE),
    "LSTM": _recurrent(
        L.LSTM,
        STATE,
        CELL_STATE,
        **{
            "implementation 1": Use(lambda: L.LSTM(3, implementation=1), X),
            "hard sigmoid": Use(lambda: L.LSTM(3, recurrent_activation="hard_sigmoid"), X),
            "regularized": Use(lambda: L.LSTM(3, recurrent_regularizer="l2", activity_regularizer="l1"), X),
        },
    ),
    "GRU": _recurrent(
        L.GRU,
        STATE,
        **{
            "reset before": Use(lambda: L.GRU(3, reset_after=False), X),
            "implementation 1": Use(lambda: L.GRU(3, implementation=1), X),
            "implementation 1, reset before": Use(lambda: L.GRU(3, implementation=1, reset_after=False), X),
        },
    ),
    "SimpleRNNCell": {"": cell(lambda: L.SimpleRNNCell(3), STATE)},
    "LSTMCell": {"": cell(lambda: L.LSTMCell(3), STATE, CELL_STATE)},
    "GRUCell": {"": cell(lambda: L.GRUCell(3), STATE)},
    "RNN": {
        "own cell": Use(lambda: L.RNN(Minimal(3), return_sequences=True), X),
        "own cell, last output": Use(lambda: L.RNN(Minimal(3)), X),
        "own cell, states": with_states(lambda: L.RNN(Minimal(3), return_state=True)),
        "own cell, zero output": masked(lambda: L.RNN(Minimal(3), zero_output_for_mask=True)),
        "own cell with a layer": Use(lambda: L.RNN(Attending(3), return_sequences=True), X),
    },
    "StackedRNNCells": {
        "": Use(stacked, X),
        "sequences": Use(lambda: stacked(return_sequences=True), X),
        "states": with_states(lambda: stacked(return_state=True)),
        "unrolled": Use(lambda: stacked(unroll=True), X),
        "masked": masked(lambda: stacked(return_sequences=True)),
    },
    "Bidirectional": {
        mode or "apart": Use(partial(apart, mode), X) for mode in ("concat", "sum", "mul", "ave", None)
    }
    | {
        "sequences": Use(lambda: L.Bidirectional(L.GRU(3, return_sequences=True)), X),
        "masked": masked(lambda: L.Bidirectional(L.LSTM(3, return_sequences=True))),
        "masked, last output": masked(lambda: L.Bidirectional(L.LSTM(3))),
        "two layers": Use(
            lambda: L.Bidirectional(
                L.LSTM(3), backward_layer=L.GRU(2, go_backwards=True), merge_mode="concat"
            ),
            X,
        ),
        "states": with_states(lambda: L.Bidirectional(L.LSTM(3, return_state=True))),
    },
    "TimeDistributed": {
        "": Use(lambda: L.TimeDistributed(L.Dense(3, activation="tanh")), X),
        "masked": masked(lambda: L.TimeDistributed(L.Dense(3))),
        "recurrent": Use(lambda: L.TimeDistributed(L.LSTM(3)), normal(3, 4, 5, 2)),
        "images": Use(lambda: L.TimeDistributed(L.Conv2D(3, 2)), VIDEO[2]),
        "state": Use(lambda: L.TimeDistributed(L.BatchNormalization()), X, call=(("training", True),)),
    },
    **{
        f"ConvLSTM{n}D": {
            "": Use(partial(cls, 2, 3), VIDEO[n]),
            "same, sequences": Use(partial(cls, 3, 2, padding="same", return_sequences=True), VIDEO[n]),
            "strided, states": with_states(partial(cls, 2, 2, strides=2, return_state=True), VIDEO[n]),
            "masked": masked(partial(cls, 2, 2, return_sequences=True), SEEN, VIDEO[n]),
            "dropout": Use(partial(cls, 2, 2, dropout=0.5, recurrent_dropout=0.5), VIDEO[n], random=True),
        }
        for n, cls in ((1, L.ConvLSTM1D), (2, L.ConvLSTM2D), (3, L.ConvLSTM3D))
    },
}


# -- training -----------------------------------------------------------------------------------------------


def fit(layers: list[Any], x: Any, y: Any, loss: str = "mse", batch: int = 16, **kwargs: Any) -> Results:
    model = keras.Sequential(layers)
    # Not Adam: with TensorFlow it treats the rows of an embedding differently from all other weights.
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), loss, jit_compile=False)
    return train(model, x, y, batch, **kwargs) | {"predict": model.predict(x, batch, verbose=0)}


def tagged() -> Results:
    """An embedding with padding in the middle, two bidirectional layers, a class for each word."""
    ids = classes(48 * 9, 11).reshape(48, 9) * (rng("padding").random((48, 9)) < 0.7)
    layers = [
        L.Input((9,), dtype="int32"),
        L.Embedding(11, 6, mask_zero=True),
        L.Bidirectional(L.LSTM(5, return_sequences=True)),
        L.Bidirectional(L.GRU(4, return_sequences=True), merge_mode="sum"),
        L.TimeDistributed(L.Dense(3, activation="softmax")),
    ]
    labels = classes(48 * 9, 3, seed=1).reshape(48, 9)
    return fit(layers, ids, labels, "sparse_categorical_crossentropy", epochs=2)


def stateful() -> Results:
    """The states go from batch to batch, and from epoch to epoch."""
    layers = [
        L.Input(batch_shape=(8, 5, 3)),
        L.LSTM(4, stateful=True, return_sequences=True),
        L.GRU(3, stateful=True),
        L.Dense(1),
    ]
    return fit(layers, normal(32, 5, 3), normal(32, 1), batch=8, epochs=2)


def encoder_decoder() -> Results:
    """The states of one layer begin another; the decoder's own inputs too."""
    source, target = keras.Input((6, 3)), keras.Input((4, 2))
    *_, h, c = L.LSTM(5, return_state=True)(L.Masking()(source))
    x = L.LSTM(5, return_sequences=True)(target, initial_state=[h, c])
    model = keras.Model([source, target], L.Dense(2)(x))
    model.compile(keras.optimizers.Adam(0.01), "mse", jit_compile=False)
    x = normal(32, 6, 3) * (rng("masking").random((32, 6, 1)) < 0.7)
    return train(model, [x.astype("float32"), normal(32, 4, 2)], normal(32, 4, 2, seed=1))


def video() -> Results:
    layers = [
        L.Input((3, 6, 6, 2)),
        L.ConvLSTM2D(3, 3, padding="same", return_sequences=True),
        L.BatchNormalization(),
        L.ConvLSTM2D(2, 2),
        L.Flatten(),
        L.Dense(1),
    ]
    return fit(layers, normal(16, 3, 6, 6, 2), normal(16, 1), batch=8)


def cases() -> list[Case]:
    training = {
        "tagger": tagged,
        "stateful": stateful,
        "encoder and decoder": encoder_decoder,
        "video": video,
    }
    return use_cases(USES) + [Case(f"recurrent/{name}", run) for name, run in training.items()]
