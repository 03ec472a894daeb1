"""Networks that use one set of weights many times: a Siamese one, and one that follows the structure of a tree."""

from typing import Any

import keras
import numpy as np
from keras import ops

from . import data
from .task import Task, accuracy

L = keras.layers


@keras.saving.register_keras_serializable("zoo")
def size(x: Any) -> Any:
    """The numbers without their signs; a model's file names it."""
    return ops.abs(x)


def siamese(exact: bool = False) -> Task:
    """Two images go through one network; by how their codes differ: the same digit or not? (Bromley et al. 1993)"""
    encoder = keras.Sequential(
        [
            L.Input((14, 14, 1)),
            L.Flatten(),
            L.Dense(96, activation="relu"),
            L.Dropout(0.0 if exact else 0.1),
            L.Dense(32),
        ],
        name="encoder",
    )
    first, second = keras.Input((14, 14, 1)), keras.Input((14, 14, 1))
    difference = L.Subtract()([encoder(first), encoder(second)])
    distance = L.Lambda(size, output_shape=(32,))(difference)
    model = keras.Model([first, second], L.Dense(1)(distance))
    model.compile(
        keras.optimizers.Adam(3e-3), keras.losses.BinaryCrossentropy(from_logits=True), jit_compile=False
    )
    x, y, x_test, y_test = data.digits(2000, 500, 14)
    test, same = data.pairs(x_test, y_test, 500, 2)

    def score(model: Any) -> float:
        return float(((model.predict(test, verbose=0) > 0) == same).mean())

    return Task(model, data.pairs(x, y, 5120, 1), score, pass_mark=0.8, blind=0.5, epochs=8)


@keras.saving.register_keras_serializable("zoo")
class TreeLSTM(keras.layers.Layer):
    """A binary tree LSTM (Tai, Socher and Manning 2015): a node's state comes from its children's and its own token.

    The same weights at every node, from the leaves to the root. Trees come as heaps (`data.expressions`); the result is
    the root's hidden state, (batch, units).
    """

    def __init__(self, tokens: int, units: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.embedding = L.Embedding(tokens + 1, units)
        self.compose = L.Dense(5 * units)

    def call(self, tokens: Any) -> Any:
        depth = int(np.log2(tokens.shape[1] + 1)) - 1
        hidden, _ = self.state(self.embedding(tokens + 1), 0, depth)  # -1: there is no node
        return hidden[:, 0]

    def state(self, x: Any, level: int, depth: int) -> tuple[Any, Any]:
        """The hidden and the memory state of all nodes of a level, (batch, nodes, units)."""
        begin, count = 2**level - 1, 2**level
        own = x[:, begin : begin + count]
        if level < depth:
            hidden, memory = (
                ops.reshape(s, (-1, count, 2 * self.units)) for s in self.state(x, level + 1, depth)
            )
        else:
            hidden, memory = (ops.tile(ops.zeros_like(own), (1, 1, 2)) for _ in range(2))
        gates = self.compose(ops.concatenate([own, hidden], axis=-1))
        update, *open_gates = ops.split(gates, 5, axis=-1)
        write, left, right, read = map(ops.sigmoid, open_gates)
        of_left, of_right = ops.split(memory, 2, axis=-1)
        memory = write * ops.tanh(update) + left * of_left + right * of_right
        return read * ops.tanh(memory), memory


def tree_lstm(exact: bool = False) -> Task:
    """A tree LSTM that computes the values of expressions."""
    tokens = keras.Input((15,), dtype="int32")
    model = keras.Model(tokens, L.Dense(5, activation="softmax")(TreeLSTM(9, 48)(tokens)))
    model.compile(keras.optimizers.Adam(5e-3), "sparse_categorical_crossentropy", jit_compile=False)
    x_test, y_test = data.expressions(500, 2)
    score, blind = accuracy(x_test, y_test)
    return Task(model, data.expressions(3200, 1), score, pass_mark=0.95, blind=blind, epochs=4)
