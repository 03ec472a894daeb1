"""TensorFlow's own functions in programs of the TensorFlow backend: their values and derivatives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import kerasflow  # isort: skip  (before Keras)
import keras
import numpy as np
import pytest

from kerasflow.errors import GradientError

tf: Any = pytest.importorskip("tensorflow")
pytestmark = pytest.mark.usefixtures("on_tensorflow")
X = np.random.default_rng(1).normal(size=(6, 4))
Y = np.random.default_rng(2).normal(size=(6, 2))


def total(x: Any) -> Any:
    return keras.ops.sum(keras.ops.convert_to_tensor(x))


def by_differences(function: Callable[[Any], Any], x: Any, step: float = 1e-6) -> Any:
    program = kerasflow.jit(lambda x: total(function(x)))
    found = np.zeros_like(x)
    for i in np.ndindex(x.shape):
        delta = np.zeros_like(x)
        delta[i] = step
        found[i] = (program(x + delta) - program(x - delta)) / (2 * step)
    return found


@tf.custom_gradient
def hundredfold(x: Any) -> Any:
    return tf.square(x), lambda g: 100 * g


@tf.custom_gradient
def softplus(x: Any) -> Any:
    kept = tf.exp(-x)  # for the gradient alone
    y = tf.math.log1p(tf.exp(x))
    return y, lambda g: g / (1 + kept) + 0 * y


@tf.function
def looped(x: Any) -> Any:
    s = tf.zeros_like(x)
    for i in tf.range(3):
        s += tf.cast(i, x.dtype) * x * x
    return s if tf.reduce_sum(x) > -1e9 else x


SMOOTH: dict[str, Callable[[Any], Any]] = {
    "a chain": lambda x: tf.math.log_softmax(tf.sin(x) * 2, axis=-1) ** 2,
    "several results": lambda x: tf.multiply(*tf.split(tf.sin(x), 2, axis=1)),
    "back and forth": lambda x: tf.square(keras.ops.sin(tf.exp(x))) * np.cos(x) + keras.ops.tanh(tf.sin(x)),
    "operators": lambda x: (2.0 - tf.tanh(x)) @ (x.T / 3) + tf.constant(1.0, "float64"),
    "gather": lambda x: tf.gather(x * x, [0, 0, 3]),
    "a loop": lambda x: tf.while_loop(lambda i, a: i < 3, lambda i, a: (i + 1, a * x), (0, tf.ones_like(x)))[
        1
    ],
    "a branch": lambda x: tf.cond(tf.reduce_sum(x) > 0, lambda: x * x, lambda: tf.exp(x)),
    "map_fn": lambda x: tf.map_fn(lambda row: row * tf.reduce_sum(row), x),
    "tf.function": looped,
    "a gradient that reads": lambda x: softplus(x) * softplus(2 * x),
    "one in tf.function": tf.function(lambda x: softplus(x) * x),
    "raw": lambda x: tf.raw_ops.Tanh(x=x),
    "the size of the batch": lambda x: (
        tf.reshape(x, [tf.shape(x)[0], -1]) ** 2 / tf.cast(tf.shape(x)[0], x.dtype)
    ),
    "inner size unknown": lambda x: tf.reduce_sum(tf.boolean_mask(x, x > 0.5) ** 3),
    "complex": lambda x: tf.abs(tf.signal.fft(tf.cast(x, tf.complex128))),
    "complex across": lambda x: np.abs(keras.ops.convert_to_tensor(tf.complex(x, x * x))),
    "a large constant": lambda x: tf.matmul(x, tf.sin(tf.reshape(tf.range(2000, dtype="float64"), (4, 500)))),
    "tf's tape": lambda x: slope(tf.convert_to_tensor(x)),
    "keras.ops.scan": lambda x: keras.ops.scan(
        lambda c, r: (c + tf.reduce_sum(r**3), tf.square(r)), keras.ops.zeros((), "float64"), x
    )[1],
    "keras.ops.cond": lambda x: keras.ops.cond(keras.ops.sum(x) > 0, lambda: tf.square(x), lambda: tf.exp(x)),
    "vectorized_map": lambda x: keras.ops.vectorized_map(lambda row: tf.square(row), x),
}


def slope(x: Any) -> Any:
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.sin(x) * x
    return tape.gradient(y, x)


@pytest.mark.parametrize("name", SMOOTH)
def test_values_and_derivatives(name: str) -> None:
    """At once (a tape outside of a program), and in a program; the first and the second derivative."""
    function = SMOOTH[name]
    first = kerasflow.grad(lambda x: total(function(x)))
    second = kerasflow.grad(lambda x: total(kerasflow.grad(lambda x: total(function(x)))(x) ** 2))
    np.testing.assert_allclose(kerasflow.jit(first)(X), by_differences(function, X), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(first(X), kerasflow.jit(first)(X), rtol=1e-9, atol=1e-12)
    squared = by_differences(lambda x: first(x) ** 2, X)
    np.testing.assert_allclose(kerasflow.jit(second)(X), squared, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(second(X), squared, rtol=1e-4, atol=1e-5)


def test_derivatives_that_are_the_users() -> None:
    np.testing.assert_array_equal(kerasflow.jit(hundredfold)(X), X * X)
    for gradient in (kerasflow.grad(lambda x: total(hundredfold(x))),):
        np.testing.assert_array_equal(gradient(X), np.full(X.shape, 100.0))
        np.testing.assert_array_equal(kerasflow.jit(gradient)(X), np.full(X.shape, 100.0))
    stopped = kerasflow.grad(lambda x: total(tf.stop_gradient(x) * x))
    np.testing.assert_array_equal(kerasflow.jit(stopped)(X), X)


def test_a_gradient_that_reads_what_has_been_computed_often() -> None:
    """Each call of a `tf.function` is a copy of it, and each turn of a loop: which of them is meant is not known."""
    called = tf.function(lambda x: softplus(x) * x)
    twice = kerasflow.grad(lambda x: total(called(x) + called(2 * x)))
    with pytest.raises(GradientError, match=r"`tf.custom_gradient` in it.* is called twice"):
        kerasflow.jit(twice)(X)
    looped = kerasflow.grad(lambda x: total(tf.map_fn(softplus, x)))
    with pytest.raises(GradientError, match=r"reads what was computed in a loop"):
        kerasflow.jit(looped)(X)


def test_integers() -> None:
    labels = np.array([0, 1, 1])

    def loss(x: Any, y: Any) -> Any:
        return total(tf.nn.sparse_softmax_cross_entropy_with_logits(y, x))

    rest = np.exp(X[:3, :2])
    expected = rest / rest.sum(-1, keepdims=True) - np.eye(2)[labels]
    np.testing.assert_allclose(kerasflow.jit(kerasflow.grad(loss))(X[:3, :2], labels), expected)
    picked = kerasflow.jit(lambda x: tf.argmax(x, 1))(X)
    assert picked.dtype == np.int64
    np.testing.assert_array_equal(picked, X.argmax(1))
    nothing = kerasflow.grad(lambda x: total(tf.cast(tf.argmax(x, 1), "float64")) + 0 * total(x))
    np.testing.assert_array_equal(kerasflow.jit(nothing)(X), np.zeros(X.shape))
