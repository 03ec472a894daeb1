"""Other frameworks' functions where kerasflow records: one error, with the function, the line and what to call."""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Callable
from typing import Any

import kerasflow  # isort: skip  (before Keras)
import keras
import numpy as np
import pytest

from kerasflow.errors import GradientError, TracingError
from kerasflow.tracing.frameworks import OPS

X, Y = np.ones((8, 4), "float32"), np.ones((8, 1), "float32")
tf: Any = pytest.importorskip("tensorflow")
in_jax = pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed")
if importlib.util.find_spec("jax") is not None:
    import jax
    import jax.numpy as jnp


def model(loss: Any = "mse", **options: Any) -> Any:
    net = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    net.compile("sgd", loss, **options)
    return net


def test_the_table_names_functions_that_there_are() -> None:
    for name in OPS.values():
        package, _, rest = name.rpartition("kerasflow.")
        place = kerasflow if package or name.startswith("kerasflow.") else keras.ops
        assert functools.reduce(getattr, (rest or name).split("."), place), name


@pytest.mark.parametrize("eagerly", [False, True])
def test_a_loss(eagerly: bool) -> None:
    def loss(y: Any, p: Any) -> Any:
        return tf.reduce_mean((y - p) ** 2)

    net = model(loss, run_eagerly=eagerly)
    before = net.get_weights()
    with pytest.raises(
        TracingError, match=r"`tf\.reduce_mean` of TensorFlow .*float32\[8,1\].*`keras\.ops\.mean`"
    ) as caught:
        net.fit(X, Y, verbose=0)
    assert "test_frameworks.py" in str(caught.value) and "return tf.reduce_mean(" in str(caught.value)
    for old, new in zip(before, net.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def squashed(x: Any) -> Any:
    return tf.nn.l2_normalize(x)


@pytest.mark.parametrize(
    ("function", "name", "remedy"),
    [
        (lambda x: tf.square(x), "tf.square", "keras.ops.square"),
        (lambda x: tf.nn.relu(tf.math.abs(x)), "tf.math.abs", "keras.ops.abs"),
        (lambda x: squashed(x), "tf.nn.l2_normalize", "keras.ops.normalize"),
        (lambda x: tf.concat([x, x], axis=-1), "tf.concat", "keras.ops.concatenate"),
        (lambda x: tf.image.resize(x, (2, 2)), "tf.image.resize", "keras.ops.image.resize"),
        (lambda x: tf.function(lambda y: y + 1)(x), "tf.function", "kerasflow.jit"),
        (lambda x: tf.raw_ops.Betainc(a=x, b=x, x=x), "tf.raw_ops.Betainc", "what does the same"),
    ],
)
def test_functions_of_tensorflow(function: Callable[[Any], Any], name: str, remedy: str) -> None:
    def in_a_tape(x: Any) -> Any:
        with kerasflow.GradientTape() as tape:
            return function(tape.watch(x))

    for run in (kerasflow.jit(function), in_a_tape):
        with pytest.raises(TracingError) as caught:
            run(X)
        text = str(caught.value)
        assert f"`{name}`" in text and remedy in text and "test_frameworks.py" in text, text


def test_functions_that_keras_calls() -> None:
    net = keras.Sequential([keras.layers.Dense(1, activation=tf.nn.relu)])
    net.compile("sgd", "mse")
    with pytest.raises(TracingError, match=r"`relu` of TensorFlow .*`keras\.ops\.relu`"):
        net.fit(X, Y, verbose=0)


@in_jax
def test_variables() -> None:
    class Scaled(keras.layers.Layer):
        def build(self, shape: Any) -> None:
            self.scale = self.add_weight(shape=(4,), initializer="ones")

        def call(self, x: Any) -> Any:
            return tf.multiply(np.ones(4, "float32"), self.scale)

    layer = Scaled()
    np.testing.assert_array_equal(layer(X), np.ones(4))
    with pytest.raises(TracingError, match=r"`tf\.multiply` of TensorFlow .*`keras\.ops\.multiply`"):
        kerasflow.jit(layer)(X)
    weight = keras.Variable(np.ones(4, "float32"))
    for function in (lambda x: tf.abs(weight), lambda x: jnp.abs(weight)):
        with pytest.raises(TracingError, match=r"`(tf|jnp)\.abs` of .*`keras\.ops\.abs`"):
            kerasflow.jit(function)(X)
    data = tf.data.Dataset.from_tensors(X).map(lambda x: tf.multiply(x, layer.scale))
    layer.scale.assign(np.full(4, 3.0))
    np.testing.assert_array_equal(next(iter(data)), X * 3)


@in_jax
def test_their_tensors_are_constants() -> None:
    for ones in (tf.ones, jnp.ones):
        for function in (
            lambda x, c: x * c,
            lambda x, c: keras.ops.add(x, c),
            lambda x, c: np.subtract(c, x),
        ):
            c = ones((8, 4)) * 3
            expected = function(X, np.asarray(c))
            np.testing.assert_array_equal(kerasflow.jit(lambda x, f=function, c=c: f(x, c))(X), expected)
            np.testing.assert_array_equal(function(X, c), expected)
    np.testing.assert_array_equal(kerasflow.jit(lambda x: tf.ones((8, 4)) * x)(X), X)
    gradient = kerasflow.grad(lambda x: np.sum(x * tf.fill((8, 4), 3.0)))(X)
    np.testing.assert_array_equal(gradient, X * 3)


def test_values_without_a_tape() -> None:
    """With `run_eagerly` there are values, and where no tape is open nobody misses a gradient."""
    seen = []

    class Own(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.dense = keras.layers.Dense(1)

        def call(self, x: Any) -> Any:
            return self.dense(x)

        def train_step(self, data: Any) -> Any:
            x, y = data
            with kerasflow.GradientTape() as tape:
                loss = keras.ops.mean((y - self(x)) ** 2)
            self.optimizer.apply(tape.gradient(loss, self.trainable_variables), self.trainable_variables)
            seen.append(float(tf.reduce_mean(loss)) == float(loss) > 0)
            return {"loss": loss}

    net = Own()
    net.compile("sgd", run_eagerly=True)
    net.fit(X, Y, verbose=0)
    assert seen == [True]


@in_jax
@pytest.mark.parametrize(
    ("function", "name", "remedy"),
    [
        (lambda x: jnp.mean(x), "jnp.mean", "keras.ops.mean"),
        (lambda x: jax.nn.softmax(x, axis=-1), "jax.nn.softmax", "keras.ops.softmax"),
        (lambda x: jax.lax.rsqrt(x), "jax.lax.rsqrt", "keras.ops.rsqrt"),
        (lambda x: jnp.ones((4,)) * x, "jnp.ones((4,)) * x", "what does the same"),
        (lambda x: jax.grad(lambda y: (y * y).sum())(x), "jax.grad", "kerasflow.grad"),
        (lambda x: jax.jit(lambda y: y)(x), "jax.jit", "kerasflow.jit"),
    ],
)
def test_functions_of_jax(function: Callable[[Any], Any], name: str, remedy: str) -> None:
    layer = keras.layers.Lambda(function)
    for run in (kerasflow.jit(function), kerasflow.jit(layer), kerasflow.grad(lambda x: np.sum(function(x)))):
        with pytest.raises(TracingError) as caught:
            run(X)
        text = str(caught.value)
        assert f"`{name}` of JAX" in text and remedy in text and "test_frameworks.py" in text, text


def test_functions_of_torch() -> None:
    torch: Any = pytest.importorskip("torch")

    with pytest.raises(TracingError, match=r"`torch\.mean` of PyTorch .*`keras\.ops\.mean`"):
        kerasflow.jit(lambda x: torch.mean(x))(X)


def test_tapes_of_tensorflow() -> None:
    net = model()

    def of_the_weights(loss: Callable[[Any], Any]) -> Any:
        with tf.GradientTape() as tape:
            value = loss(net(X))
        return tape.gradient(value, net.trainable_variables)

    def of_the_input() -> Any:
        x = tf.constant(X)
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = tf.reduce_mean(net(x))
        return tape.gradient(value, x)

    for program in (
        lambda: of_the_weights(keras.ops.mean),
        lambda: of_the_weights(tf.reduce_mean),
        lambda: kerasflow.jit(lambda: of_the_weights(keras.ops.mean))(),
        of_the_input,
    ):
        with pytest.raises(
            GradientError, match=r"(?s)`tf\.GradientTape` does not see.*`kerasflow\.GradientTape`.*test_"
        ):
            program()
    net(tf.constant(X))


@pytest.mark.parametrize("eagerly", [False, True])
def test_a_step_for_jax(eagerly: bool) -> None:
    class ForJax(keras.Sequential):
        def train_step(self, state: Any, data: Any) -> Any:
            return None

    net = ForJax([keras.Input((4,)), keras.layers.Dense(1)])
    net.compile("sgd", "mse", run_eagerly=eagerly)
    for call in (
        lambda: net.fit(X, Y, verbose=0),
        lambda: net.train_on_batch(X, Y),
        lambda: kerasflow.explain(net, X, Y),
    ):
        with pytest.raises(
            TracingError, match=r"ForJax\.train_step\(self, state, data\)` .*`train_step\(self, data\)`"
        ):
            call()
    net.evaluate(X, Y, verbose=0)
