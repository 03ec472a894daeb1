"""TensorFlow's own functions in models of the TensorFlow backend, and their limits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import kerasflow  # isort: skip  (before Keras)
import keras
import numpy as np
import pytest

from kerasflow.errors import ExportError, GradientError, KerasflowError, TracingError

tf: Any = pytest.importorskip("tensorflow")
pytestmark = pytest.mark.usefixtures("on_tensorflow")
X = np.random.default_rng(1).normal(size=(6, 4))
Y = np.random.default_rng(2).normal(size=(6, 2))


def total(x: Any) -> Any:
    return keras.ops.sum(keras.ops.convert_to_tensor(x))


# -- models ---------------------------------------------------------------------------------------------------


class Dense(keras.layers.Layer):
    """A dense layer, in one of two ways."""

    def __init__(self, units: int, by_tensorflow: bool) -> None:
        super().__init__()
        self.units, self.by_tensorflow = units, by_tensorflow

    def build(self, shape: Any) -> None:
        self.w = self.add_weight(shape=(shape[-1], self.units), initializer=keras.initializers.HeNormal(3))
        self.b = self.add_weight(shape=(self.units,), initializer="ones")

    def call(self, x: Any) -> Any:
        if self.by_tensorflow:
            return tf.nn.softplus(tf.nn.bias_add(tf.matmul(x, self.w), self.b))
        return keras.ops.softplus(keras.ops.matmul(x, self.w) + self.b)


def in_tensorflow(y: Any, p: Any) -> Any:
    return tf.reduce_mean(tf.math.squared_difference(tf.math.tanh(p), y), axis=-1)


def in_keras(y: Any, p: Any) -> Any:
    return keras.ops.mean(keras.ops.square(keras.ops.tanh(p) - y), axis=-1)


def largest_by_tensorflow(y: Any, p: Any) -> Any:
    return tf.reduce_max(tf.abs(y - p), axis=-1)


def largest_by_keras(y: Any, p: Any) -> Any:
    return keras.ops.max(keras.ops.abs(y - p), axis=-1)


@contextmanager
def in_double_precision() -> Iterator[None]:
    before = keras.config.dtype_policy()  # It follows the other until somebody sets it.
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    try:
        yield
    finally:
        keras.config.set_floatx("float32")
        keras.config.set_dtype_policy(before)


def trained(by_tensorflow: bool, **options: Any) -> tuple[Any, Any]:
    with in_double_precision():
        net = keras.Sequential(
            [keras.Input((4,)), Dense(5, by_tensorflow), keras.layers.Dense(2, kernel_initializer="ones")]
        )
        loss, metric = (
            (in_tensorflow, largest_by_tensorflow) if by_tensorflow else (in_keras, largest_by_keras)
        )
        net.compile(
            keras.optimizers.SGD(0.1), loss, metrics=[keras.metrics.MeanMetricWrapper(metric, "m")], **options
        )
        history = net.fit(X, Y, epochs=3, batch_size=3, shuffle=False, verbose=0).history
        evaluated = net.evaluate(X, Y, verbose=0, return_dict=True)
        return net, {**history, **evaluated}


@pytest.mark.parametrize("eagerly", [False, True])
def test_training_is_that_of_keras_ops(eagerly: bool) -> None:
    (net, ours), (expected_net, expected) = trained(True, run_eagerly=eagerly), trained(False)
    for key, value in expected.items():
        np.testing.assert_allclose(ours[key], value, rtol=1e-9, err_msg=key)
    for w, v in zip(net.get_weights(), expected_net.get_weights(), strict=True):
        np.testing.assert_allclose(w, v, rtol=1e-9)
    np.testing.assert_allclose(net.predict(X, verbose=0), expected_net.predict(X, verbose=0), rtol=1e-9)


def test_compiled_by_xla() -> None:
    (_, ours), (_, expected) = trained(True, jit_compile=True), trained(False)
    for key, value in expected.items():
        np.testing.assert_allclose(ours[key], value, rtol=1e-6, err_msg=key)


@pytest.mark.parametrize("eagerly", [False, True])
@pytest.mark.parametrize("late", [False, True])
def test_a_step_of_ones_own(eagerly: bool, late: bool) -> None:
    """Also where the loss is used first by Keras when the tape is closed already."""

    class Own(keras.Model):
        def __init__(self, by_tensorflow: bool) -> None:
            super().__init__()
            self.dense = Dense(2, by_tensorflow)
            self.tracker = keras.metrics.Mean(name="loss")
            self.by_tensorflow = by_tensorflow

        def call(self, x: Any) -> Any:
            return self.dense(x)

        def train_step(self, data: Any) -> Any:
            x, y = data
            with kerasflow.GradientTape() as tape:
                p = self(x, training=True)
                loss = tf.reduce_sum((p - y) ** 2) if self.by_tensorflow else keras.ops.sum((p - y) ** 2)
            if late:
                self.tracker.update_state(loss)
            weights = self.trainable_variables
            gradients = tape.gradient(loss, weights)
            if self.by_tensorflow and not eagerly:
                gradients = [tf.clip_by_norm(g, 0.5) for g in gradients]
            else:
                gradients = [g * 0.5 / keras.ops.maximum(keras.ops.norm(g), 0.5) for g in gradients]
            self.optimizer.apply(gradients, weights)
            if not late:
                self.tracker.update_state(loss)
            return {"loss": self.tracker.result()}

    found = []
    for by_tensorflow in (True, False):
        net = Own(by_tensorflow)
        net.compile("sgd", run_eagerly=eagerly and by_tensorflow)
        found.append(net.fit(X, Y, epochs=3, verbose=0).history["loss"])
        assert found[-1][2] < found[-1][0]
    np.testing.assert_allclose(found[0], found[1], rtol=1e-5)


def test_what_is_computed_before_a_tape_is_not_on_it() -> None:
    weight = keras.Variable(np.ones(3))

    @kerasflow.jit
    def step() -> Any:
        before = tf.square(weight)
        with kerasflow.GradientTape(persistent=True) as tape:
            inside = tf.square(weight) * before
            with tape.stop_recording():
                unseen = tf.exp(weight)
            loss = tf.reduce_sum(inside + unseen)
        return tape.gradient(loss, weight), tape.gradient(inside, weight)

    for gradient in step():
        np.testing.assert_array_equal(gradient, np.full(3, 2.0))


def with_losses(by_tensorflow: bool, **options: Any) -> list[float]:
    class Sized(keras.layers.Layer):
        def call(self, x: Any) -> Any:
            self.add_loss(
                tf.reduce_mean(tf.square(x)) if by_tensorflow else keras.ops.mean(keras.ops.square(x))
            )
            return x

    def large(w: Any) -> Any:
        return tf.reduce_sum(tf.abs(w)) if by_tensorflow else keras.ops.sum(keras.ops.abs(w))

    def bounded(w: Any) -> Any:
        return tf.clip_by_value(w, -0.9, 0.9) if by_tensorflow else keras.ops.clip(w, -0.9, 0.9)

    dense = keras.layers.Dense(
        2, kernel_initializer="ones", kernel_regularizer=large, kernel_constraint=bounded
    )
    net = keras.Sequential([keras.Input((4,)), dense, Sized()])
    net.compile("sgd", "mse", **options)
    found: list[float] = net.fit(X, Y, epochs=3, verbose=0).history["loss"]
    return found


@pytest.mark.parametrize("options", [{}, {"run_eagerly": True}])
def test_losses_of_layers_regularizers_and_constraints(options: dict[str, Any]) -> None:
    np.testing.assert_allclose(with_losses(True, **options), with_losses(False), rtol=1e-6)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision(policy: str) -> None:
    found = []
    for by_tensorflow in (True, False):
        keras.utils.set_random_seed(1)
        net = keras.Sequential([keras.Input((4,)), Dense(3, by_tensorflow), keras.layers.Dense(2)])
        for layer in net.layers:
            layer.dtype_policy = policy
        net.compile("sgd", "mse")
        found.append(net.fit(X, Y, epochs=2, verbose=0).history["loss"])
    np.testing.assert_allclose(*found, rtol=2e-2)


def test_a_cell_of_a_recurrent_layer() -> None:
    class Cell(keras.layers.Layer):
        state_size = output_size = 3

        def build(self, shape: Any) -> None:
            self.w = self.add_weight(shape=(4, 3), initializer="ones")
            self.u = self.add_weight(shape=(3, 3), initializer="ones")

        def call(self, x: Any, states: Any) -> Any:
            h = tf.tanh(tf.matmul(x, self.w) + tf.matmul(states[0], self.u) / 3)
            return h, [h]

    inputs = np.stack([X] * 5, axis=1)
    found = []
    for options in ({}, {"run_eagerly": True}):
        keras.utils.set_random_seed(1)
        net = keras.Sequential([keras.Input((5, 4)), keras.layers.RNN(Cell()), keras.layers.Dense(2)])
        net.compile("sgd", "mse", **options)
        found.append(net.fit(inputs, Y, epochs=3, verbose=0).history["loss"])
    np.testing.assert_allclose(*found, rtol=1e-5)
    assert found[0][2] < found[0][0]


# -- sources that TensorFlow has computed ---------------------------------------------------------------------


def test_a_gradient_with_respect_to_what_tensorflow_has_computed() -> None:
    def by_watching(x: Any) -> Any:
        with kerasflow.GradientTape() as tape:
            h = tf.square(x)
            tape.watch(h)
            y = tf.sin(h)
        return tape.gradient(y, h)

    np.testing.assert_allclose(kerasflow.jit(by_watching)(X), np.cos(X**2))

    def unwatched(x: Any) -> Any:
        with kerasflow.GradientTape() as tape:
            h = tf.square(x)
            y = tf.sin(h)
        return tape.gradient(y, h)

    def converted_too_late(x: Any) -> Any:
        with kerasflow.GradientTape() as tape:
            h = tf.square(x)
            y = tf.sin(h)
            h = keras.ops.convert_to_tensor(h)
        return tape.gradient(y, h)

    for function in (unwatched, converted_too_late):
        with pytest.raises(GradientError, match=r"(?s)`x = tape\.watch\(x\)`.*test_foreign"):
            kerasflow.jit(function)(X)


def test_with_values_what_a_tape_saw_is_converted_before_tensorflow_has_it_again() -> None:
    class Own(keras.Sequential):
        convert = staticmethod(keras.ops.convert_to_tensor)

        def train_step(self, data: Any) -> Any:
            x, y = data
            with kerasflow.GradientTape() as tape:
                loss = tf.reduce_mean((self(x) - y) ** 2)
            self.optimizer.apply(tape.gradient(loss, self.trainable_variables), self.trainable_variables)
            return {"loss": loss, "root": tf.sqrt(self.convert(loss))}

    def net() -> Any:
        model = Own([keras.Input((4,)), keras.layers.Dense(2)])
        model.compile("sgd", run_eagerly=True)
        return model

    history = net().fit(X, Y, verbose=0).history
    np.testing.assert_allclose(history["root"], np.sqrt(history["loss"]), rtol=1e-6)
    Own.convert = staticmethod(lambda x: x)
    with pytest.raises(TracingError, match=r"(?s)outside of the block.*convert_to_tensor.*test_foreign"):
        net().fit(X, Y, verbose=0)


# -- random numbers -------------------------------------------------------------------------------------------


def noisy(x: Any) -> Any:
    mean, spread = x[:, :2], tf.exp(x[:, 2:])
    return mean + spread * tf.random.normal((tf.shape(x)[0], 2), dtype=x.dtype)


def test_random_numbers_are_drawn_once_in_each_call() -> None:
    @kerasflow.jit
    def step(x: Any) -> Any:
        noise = tf.random.normal((4,), dtype="float64")
        y, gradient = kerasflow.value_and_grad(lambda x: total(noise * tf.square(x)))(x)
        one, other = (tf.random.uniform((3,)) for _ in range(2))
        return noise, y, gradient, noise * 1, one, other

    first, second = step(X[0]), step(X[0])
    for noise, y, gradient, again, one, other in (first, second):
        np.testing.assert_allclose(y, np.sum(noise * X[0] ** 2))
        np.testing.assert_allclose(gradient, 2 * noise * X[0])
        np.testing.assert_array_equal(noise, again)
        assert np.all(one != other)
    assert np.all(first[0] != second[0]) and np.all(first[4] != second[4])


@pytest.mark.parametrize("compiled", [False, True])
def test_a_derivative_takes_what_was_drawn(compiled: bool) -> None:
    function = kerasflow.value_and_grad(lambda x: (total(noisy(x) ** 2), None)[0])
    value, gradient = (kerasflow.jit(function) if compiled else function)(X)
    # The loss is |mean|², twice the mean times the noise, and |noise|²: two ways to the same number.
    mean, noise = X[:, :2], gradient[:, :2] / 2 - X[:, :2]
    np.testing.assert_allclose(value, np.sum((mean + noise) ** 2))
    np.testing.assert_allclose(gradient[:, 2:], 2 * (mean + noise) * noise)


def test_what_would_have_to_be_drawn_again() -> None:
    gamma = kerasflow.grad(lambda x: total(tf.random.gamma((), tf.exp(x), dtype=x.dtype)))
    with pytest.raises(GradientError, match=r"`RandomGamma` of TensorFlow"):
        kerasflow.jit(gamma)(X)
    by_rate = kerasflow.grad(lambda x: total(tf.random.gamma((), np.float64(2), dtype="float64") * x))
    assert np.all(kerasflow.jit(by_rate)(X) > 0)
    in_a_loop = lambda x: keras.ops.scan(lambda c, r: (c + tf.random.normal(()), r), np.float32(0), x)[0]  # noqa: E731
    with pytest.raises(TracingError, match=r"(?s)TensorFlow draws.*in a loop.*`keras\.random`.*test_foreign"):
        kerasflow.jit(in_a_loop)(X)


def test_functions_in_python() -> None:
    def cubed(x: Any) -> Any:
        return tf.ensure_shape(tf.py_function(lambda a: a**3, [x], x.dtype), x.shape)

    np.testing.assert_allclose(kerasflow.jit(cubed)(X), X**3)
    with pytest.raises(GradientError, match=r"`EagerPyFunc` of TensorFlow"):
        kerasflow.jit(kerasflow.grad(lambda x: total(cubed(x))))(X)


# -- what is refused ------------------------------------------------------------------------------------------

VARIABLE = tf.Variable(2.0, dtype="float64")

REFUSED: dict[str, tuple[Callable[[Any], Any], type[Exception], str]] = {
    "an operator on a variable": (lambda x: x * VARIABLE, TracingError, r"self\.add_weight"),
    "a variable": (lambda x: tf.multiply(x, VARIABLE), TracingError, r"self\.add_weight"),
    "a new variable": (lambda x: tf.square(x) * tf.Variable(np.ones(4)), TracingError, r"self\.add_weight"),
    "an assignment": (lambda x: tf.square(x) + VARIABLE.assign(2.0), TracingError, r"self\.add_weight"),
    "printing": (lambda x: (tf.print(x), x * x)[1], TracingError, "`PrintV2`.*would not run it"),
    "an assertion": (lambda x: (tf.debugging.assert_positive(x), x)[1], TracingError, "would not run it"),
    "an unknown size": (lambda x: tf.boolean_mask(x, x > 0), TracingError, r"size.*tf\.ensure_shape"),
    "text": (lambda x: tf.strings.as_string(x), TracingError, "string"),
    "numbers for NumPy": (lambda x: np.exp(tf.square(x)), TracingError, r"keras\.ops\.convert_to_tensor"),
    "numbers for TensorFlow": (lambda x: tf.constant(x), TracingError, "asked for its numbers"),
    "a wrong shape": (lambda x: tf.matmul(x, x), ValueError, "Dimensions must be equal"),
    "a wrong dtype": (lambda x: tf.add(x, tf.constant(1)), TypeError, "float64"),
    "a tape": (lambda x: mixed_tape(x), GradientError, r"kerasflow\.GradientTape"),
}  # fmt: skip


def mixed_tape(x: Any) -> Any:
    with tf.GradientTape() as tape:
        y = tf.convert_to_tensor(x)
        tape.watch(y)
        z = keras.ops.square(y)
    return tape.gradient(z, y)


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_says_where(name: str) -> None:
    function, kind, message = REFUSED[name]
    for run in (kerasflow.jit(function), kerasflow.grad(lambda x: total(function(x)))):
        with pytest.raises(kind, match=f"(?s){message}.*test_foreign_tensorflow.py:") as caught:
            run(X)
        assert str(caught.value).count("\n  at ") == 1


@pytest.mark.parametrize("backend", ["numpy", "pytensor"])
def test_other_backends_have_none_of_it(backend: str) -> None:
    net = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    net.compile("sgd", in_tensorflow)
    net.fit(X, Y, verbose=0)
    with (
        kerasflow.use_backend(backend),
        pytest.raises(TracingError, match=r"of TensorFlow was given a traced"),
    ):
        net.fit(X, Y, verbose=0)
    net.fit(X, Y, verbose=0)


@pytest.mark.parametrize("cls", [kerasflow.Sequential, keras.Sequential])
def test_a_model_with_a_backend_of_its_own(cls: Any) -> None:
    with kerasflow.use_backend("numpy"):
        if cls is keras.Sequential:
            net = cls([keras.layers.Dense(2), keras.layers.Lambda(tf.nn.relu)])
            net.kerasflow_backend = "tensorflow"
        else:
            net = cls(
                [keras.Input((4,)), keras.layers.Dense(2), keras.layers.Lambda(tf.nn.relu)],
                backend="tensorflow",
            )
        net.compile("sgd", in_tensorflow)
        net.fit(X, Y, verbose=0)
        np.testing.assert_array_equal(net.predict(X, verbose=0) >= 0, True)


def test_checks_that_are_decided_while_recording() -> None:
    def checked(x: Any, rank: int) -> Any:
        tf.debugging.assert_rank(x, rank)
        return tf.square(x)

    np.testing.assert_array_equal(kerasflow.jit(lambda x: checked(x, 2))(X), X * X)
    with pytest.raises(ValueError, match=r"(?s)rank 3.*test_foreign"):
        kerasflow.jit(lambda x: checked(x, 3))(X)


def test_debugging_says_so() -> None:
    net = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    net.compile("sgd", in_tensorflow)
    with kerasflow.debug_backends("numpy", "tensorflow"), pytest.raises(TracingError, match="of TensorFlow"):
        net.fit(X, Y, verbose=0)


def model_of_tensorflow() -> Any:
    return keras.Sequential([keras.Input((4,)), Dense(3, True), keras.layers.Dense(1)])


@pytest.mark.parametrize("form", ["onnx", "kerasflow_numpy"])
def test_exports_refuse_it(form: str, tmp_path: Path) -> None:
    net = model_of_tensorflow()
    with pytest.raises(ExportError, match=r"(?s)foreign_function.*dense"):
        if form == "onnx":
            net.export(tmp_path / "m.onnx", format="onnx", verbose=False)
        else:
            kerasflow.export_numpy(net, tmp_path / "m.py")
    assert not list(tmp_path.iterdir())


def picked(x: Any) -> Any:
    return tf.gather(np.arange(3.0), tf.cast(x, "int32"))


def test_errors_that_come_up_in_a_run_name_the_layer() -> None:
    net = keras.Sequential([keras.Input((4,)), keras.layers.Lambda(picked, name="lookup")])
    net.compile("sgd", "mse")
    net.predict(np.zeros((4, 4)), verbose=0)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"(?s)indices\[0,0\] = 9.*\n  in .*lookup"):
        net.predict(np.full((4, 4), 9), verbose=0)


def test_explain_says_so() -> None:
    assert "= foreign_function(" in kerasflow.explain(model_of_tensorflow(), X)
    with pytest.raises(KerasflowError, match=r"'numpy' does not support `foreign_function` \(in .*dense"):
        kerasflow.explain(model_of_tensorflow(), X, as_run=True)


def test_a_saved_model(tmp_path: Path) -> None:
    net = model_of_tensorflow()
    net.export(tmp_path / "saved", verbose=False)
    loaded = tf.saved_model.load(str(tmp_path / "saved"))
    for n in (1, 3, 6):
        x = X[:n].astype("float32")
        np.testing.assert_allclose(loaded.serve(x), net.predict(x, verbose=0), rtol=1e-5)
    flat = keras.Sequential([keras.Input((4,)), keras.layers.Lambda(lambda x: tf.reshape(x, (tf.size(x),)))])
    with pytest.raises(ExportError, match=r"functions of TensorFlow's for \d+ samples"):
        flat.export(tmp_path / "other", verbose=False)
