"""Bad input: each a clear error that shows the user's own line, through Keras's filtered tracebacks too."""

from __future__ import annotations

import importlib
import inspect
import os
import traceback

import kerasflow  # isort: skip  (before Keras)
import keras
import numpy as np
import pytest
from keras import layers, ops

from kerasflow.errors import GradientError, TracingError, UnknownBackendError
from kerasflow.tracing import source

X, Y = np.ones((4, 3), "float32"), np.ones((4, 1), "float32")


class Own(layers.Layer):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def call(self, x):
        return self.function(self, x)


class OwnModel(keras.Model):
    def __init__(self, function):
        super().__init__()
        self.function = function
        self.head = layers.Dense(1)

    def call(self, x):
        return self.head(self.function(self, x))


def condition(self, x):
    if ops.sum(x) > 0:
        return x
    return -x


def loop(self, x):
    while np.max(x) > 1:
        x = x / 2
    return x


def to_float(self, x):
    return x * float(np.sum(x))


def to_item(self, x):
    return x * x[0, 0].item()


def to_array(self, x):
    return np.asarray(x)


def unknown(self, x):
    return np.unwrap(x)


def in_place(self, x):
    x[0] = 0
    return x


def into_array(self, x):
    total = np.zeros((4, 3), "float32")
    total += x
    return total


def count(self, x):
    return sum(x for _ in range(ops.cast(x[0, 0], "int32")))


def mask(self, x):
    return x[x > 0]


def shapes(self, x):
    return x + np.ones(7)


def strings(self, x):
    return ops.add(x, "one")


def reshaped(self, x):
    return ops.reshape(x, (5, -1))


def another_frameworks(self, x):
    return x.unsqueeze(0)


def axis(self, x):
    return ops.sum(x, axis=4)


def to_layer(self, x):
    return layers.LSTM(2)(x)


def with_text(self, x):
    return x * "one"


# The function, the error, and words of its message: what is wrong, and the remedy.
CALLS = [
    (condition, TracingError, ["asked whether it is true", "bool[]", "keras.ops.cond", "run_eagerly=True"]),
    (loop, TracingError, ["`while`", "run_eagerly=True"]),
    (to_float, TracingError, ["Python float", "float32[]", "run_eagerly=True"]),
    (to_item, TracingError, [".item()", "run_eagerly=True"]),
    (to_array, TracingError, ["np.asarray", "float32[4,3]"]),
    (unknown, TracingError, ["`np.unwrap` cannot be traced", "keras.ops"]),
    (in_place, TracingError, ["cannot be changed in place", "keras.ops.slice_update"]),
    (into_array, TracingError, ["`np.add`", "`+=`"]),
    (count, TracingError, ["the number of a loop's steps"]),
    (mask, TracingError, ["boolean mask", "np.where"]),
    (shapes, ValueError, ["(4, 3)", "(7,)"]),
    (strings, (TypeError, ValueError), ["str"]),
    (reshaped, ValueError, ["(5, -1)"]),
    (another_frameworks, AttributeError, ["unsqueeze"]),
    (axis, np.exceptions.AxisError, ["axis 4 is out of bounds for array of dimension 2"]),
    (to_layer, ValueError, ["expected ndim=3"]),
    (with_text, TypeError, ["str"]),
]


def guilty_line(function):
    """`file:line` of the statement of a function that does it: the second line, in these."""
    lines, start = inspect.getsourcelines(function)
    offset = 2 if function is into_array else 1
    return f"{__file__}:{start + offset}: {lines[offset].strip()}"


@pytest.mark.parametrize(("function", "error", "words"), CALLS, ids=[c[0].__name__ for c in CALLS])
@pytest.mark.parametrize("filtering", [True, False], ids=["filtered", "unfiltered"])
def test_what_a_call_cannot_do(function, error, words, filtering):
    model = OwnModel(function)
    model.compile("sgd", "mse")
    keras.config.enable_traceback_filtering() if filtering else keras.config.disable_traceback_filtering()
    try:
        with pytest.raises(error) as caught:
            model.fit(X, Y, verbose=0)
    finally:
        keras.config.enable_traceback_filtering()
    message = str(caught.value)
    for word in words:
        assert word in message
    assert message.count(f"at {guilty_line(function)}") == 1
    if filtering:
        package = os.path.dirname(kerasflow.__file__)
        frames = [frame.filename for frame in traceback.extract_tb(caught.value.__traceback__)]
        assert not [name for name in frames if name.startswith(package)]
    assert kerasflow.tracing.current_trace() is None


class OfParts(Exception):
    def __init__(self, what, number):
        super().__init__(number, what)

    def __str__(self):
        return f"{self.args[1]}: {self.args[0]}"


def raised(error):
    raise error


@pytest.mark.parametrize(
    ("function", "error", "words"),
    [
        (lambda x: np.array(["a"]) + 1, TypeError, "ufunc 'add' did not contain a loop"),
        (lambda x: os.stat("/nowhere"), FileNotFoundError, "No such file or directory: '/nowhere'"),
        (lambda x: "\ud800".encode(), UnicodeError, "surrogates not allowed"),
        (lambda x: {}["missing"], KeyError, "missing"),
        (lambda x: raised(OfParts("what is wrong", 3)), RuntimeError, "what is wrong: 3"),
    ],
)
def test_errors_that_are_made_of_something_else_keep_their_messages(function, error, words):
    """Keras tells the first argument of an error, which for these is a ufunc, a number or a codec."""
    with pytest.raises(error) as caught:
        layers.Lambda(function)(X)
    assert words in str(caught.value)
    assert "Arguments received by Lambda.call()" in str(caught.value)


@pytest.mark.parametrize("function", [reshaped, axis, to_layer], ids=lambda f: f.__name__)
def test_a_layer_that_is_called(function):
    words = next(words for f, _, words in CALLS if f is function)
    with pytest.raises(ValueError) as caught:
        Own(function)(X)
    assert words[0].replace("-1", "newaxis") in str(caught.value).replace("-1", "newaxis").replace(
        ",n", ", n"
    )
    assert str(caught.value).count(f"at {guilty_line(function)}") == 1


@pytest.mark.parametrize("function", [condition, to_float, mask], ids=lambda f: f.__name__)
def test_a_layer_of_a_functional_model(function):
    with pytest.raises(TracingError) as caught:
        keras.Sequential([layers.Input((3,)), Own(function)])
    assert f"at {guilty_line(function)}" in str(caught.value)


@pytest.mark.parametrize(
    "function", [condition, loop, to_float, to_item, to_array, count], ids=lambda f: f.__name__
)
def test_with_values_the_same_calls_run(function):
    model = OwnModel(function)
    model.compile("sgd", "mse", run_eagerly=True)
    assert np.isfinite(model.fit(X, Y, verbose=0).history["loss"]).all()


LEAKS = {
    "operator": lambda x: x + 1,
    "function": np.exp,
    "keras": lambda x: ops.add(x, 1),
    "array": np.asarray,
    "float": lambda x: float(x[0, 0]),
    "truth": lambda x: bool(x),
    "program": lambda x: kerasflow.jit(lambda y: y + x)(X),
    "layer": lambda x: layers.Dense(1)(x),
}


@pytest.mark.parametrize("use", LEAKS)
def test_a_traced_array_that_is_kept(use):
    def keep(self, x):
        self.kept = x
        return x

    model = OwnModel(keep)
    model.compile("sgd", "mse")
    model.fit(X, Y, verbose=0)
    assert repr(model.kept) == "Tracer(float32[4,3])"
    message = r"outside the call that traced it(.|\n)*keras.Variable(.|\n)*test_errors.py"
    with pytest.raises(TracingError, match=message):
        LEAKS[use](model.kept)


def compiled(**kwargs):
    model = keras.Sequential([layers.Input((3,)), layers.Dense(1)])
    model.compile(**{"optimizer": "sgd", "loss": "mse", **kwargs})
    return model


def fit(x, y, **kwargs):
    return lambda: compiled(**kwargs).fit(x, y, verbose=0)


def fit_to(shape, y, **kwargs):
    """Trains a model whose output has this shape for a sample."""
    model = keras.Sequential([layers.Input(shape), layers.Activation("softmax")])
    model.compile(**{"optimizer": "sgd", "loss": "mse", **kwargs})
    return lambda: model.fit(np.ones((4, *shape)), y, verbose=0)


class MadeInCall(keras.Model):
    def call(self, x):
        return layers.Dense(1)(x)


def made_in_call(step):
    def run():
        model = MadeInCall()
        model.compile("sgd", "mse")
        with pytest.raises(TracingError, match="made in a call and is gone after it"):
            step(model)
        step(model)  # It is one at each try.

    return run


CLASSES = np.array([0, 1, 2, 1])
ONE_HOT = np.eye(3)[CLASSES]


MISTAKES = {
    "features": (fit(np.ones((4, 5)), Y), ValueError, r"expected axis -1 .* value 3, .* shape \(4, 5\)"),
    "features of a layer": (lambda: compiled().layers[0](np.ones((2, 4))), ValueError, "expected axis -1"),
    "different lengths": (fit(X, Y[:3]), ValueError, "cardinality(.|\n)*4(.|\n)*3"),
    "shapes of labels": (fit(X, np.ones((4, 2)), loss="categorical_crossentropy"), ValueError, r"\(4, 2\)"),
    "strings": (fit(np.full((4, 3), "a"), Y), ValueError, "Invalid dtype: str"),
    "string labels": (fit(X, np.array(list("abcd"))), ValueError, "labels `y` are strings"),
    "objects": (fit(np.full((4, 3), None), Y), ValueError, "Invalid dtype: object"),
    "strings for a layer": (lambda: compiled()(np.full((2, 3), "a")), ValueError, "Invalid dtype: str"),
    "lists": (fit(X.tolist(), Y), ValueError, "Unrecognized data type"),
    "dates": (
        fit(np.full((4, 3), "2026-01-01", "M8[D]"), Y),
        ValueError,
        r"`x` has dates .*\(datetime64\[D\]\).* `\(\(x - x\.min\(\)\) / np\.timedelta64\(1, 'D'\)\)\.astype",
    ),
    "time spans": (
        fit(X, np.ones((4, 1), "m8[h]")),
        ValueError,
        r"`y` has .* `\(y / np\.timedelta64\(1, 'D'\)\)",
    ),
    "no loss": (fit(X, Y, loss=None), ValueError, "No loss to compute"),
    "no optimizer": (fit(X, Y, optimizer=None), ValueError, "no optimizer.*compile"),
    "not compiled": (lambda: keras.Sequential([layers.Dense(1)]).fit(X, Y), ValueError, "must call `compile"),
    "nothing to predict": (lambda: compiled().predict(X[:0], verbose=0), ValueError, "received no data"),
    "unknown backend": (lambda: kerasflow.set_backend("nowhere"), UnknownBackendError, "Available: .*numpy"),
    "shapes of weights": (
        lambda: compiled().set_weights([np.ones((2, 1)), np.ones(1)]),
        ValueError,
        r"\(3, 1\)",
    ),
    "numbers of classes": (
        fit_to((3,), CLASSES),
        ValueError,
        r"labels of shape \(4,\) with an output of shape \(4, 3\). .*`sparse_categorical_crossentropy`.*\(operands",
    ),
    "no layer flattens": (
        fit_to((5, 6, 3), CLASSES, loss="sparse_categorical_crossentropy"),
        ValueError,
        r"\(4, 5, 6, 3\). The model has an output for each of 30 places .*`Flatten`",
    ),
    "sequences are returned": (
        fit_to((5, 3), ONE_HOT, loss="categorical_crossentropy"),
        ValueError,
        r"each of 5 places or steps .*`return_sequences=True`",
    ),
    "a sparse metric": (
        fit_to((3,), ONE_HOT, loss="categorical_crossentropy", metrics=["sparse_categorical_accuracy"]),
        ValueError,
        r"A metric cannot compare labels of shape \(4, 3\) with an output of shape \(4, 3\). Those named `Sparse…`",
    ),
    "a metric of places": (
        fit_to((3,), CLASSES, loss="sparse_categorical_crossentropy", metrics=["precision"]),
        ValueError,
        r"labels of shape \(4,\) .*`keras.utils.to_categorical\(y, 3\)`",
    ),
    "a layer made in call, trained": (
        made_in_call(lambda model: model.fit(X, Y, verbose=0)),
        TracingError,
        "The weight 'made_in_call.*/dense.*/kernel' was made in a call and is gone .* in `__init__`",
    ),
    "a layer made in call, asked": (
        made_in_call(lambda model: model.predict(X, verbose=0)),
        TracingError,
        "was made in a call and is gone",
    ),
    "shape of an assignment": (lambda: keras.Variable(X).assign(X[:2]), ValueError, r"shape"),
    "one branch returns more": (
        lambda: kerasflow.jit(lambda x: ops.cond(x[0, 0] > 0, lambda: (x, x), lambda: x))(X),
        ValueError,
        "same structure(.|\n)*test_errors.py",
    ),
    "branches of two shapes": (
        lambda: kerasflow.jit(lambda x: ops.cond(x[0, 0] > 0, lambda: x, lambda: x[0]))(X),
        ValueError,
        r"shapes \(4, 3\) and \(3,\)(.|\n)*test_errors.py",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
@pytest.mark.filterwarnings("ignore:Your input ran out of data")
def test_mistakes(mistake):
    call, error, message = MISTAKES[mistake]
    with pytest.raises(error, match=message):
        call()
    assert kerasflow.tracing.current_trace() is None


@pytest.mark.parametrize("eagerly", [False, True])
def test_nan_in_labels_is_a_nan_loss(eagerly):
    labels = Y.copy()
    labels[1] = np.nan
    model = compiled(run_eagerly=eagerly)
    assert np.isnan(model.evaluate(X, labels, verbose=0))
    assert np.isfinite(model.evaluate(X[2:], labels[2:], verbose=0))
    assert np.isnan(model.fit(X, labels, verbose=0).history["loss"]).all()


def test_a_layer_that_is_installed_shows_its_own_line(tmp_path, monkeypatch):
    """Keras stands between it and the program, whose line would say less."""
    (tmp_path / "installed.py").write_text("def call(x):\n    return float(x[0, 0])\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(source, "_INSTALLED", (str(tmp_path),))
    layer = layers.Lambda(importlib.import_module("installed").call)
    with pytest.raises(TracingError, match=r"at .*installed\.py:2: return float"):
        kerasflow.jit(layer)(X)


class Summed(keras.metrics.Metric):
    """Keeps its state as a Python object."""

    def __init__(self):
        super().__init__(name="summed")
        self.total = 0.0

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.total = self.total + np.sum(y_true)

    def result(self):
        return self.total


def test_a_metric_without_variables():
    model = keras.Sequential([layers.Dense(1)])
    model.compile("sgd", "mse", metrics=[Summed()])
    with pytest.raises(TracingError, match=r"'summed' \(Summed\).*`self.total`(.|\n)*add_variable"):
        model.fit(X, Y, verbose=0)
    model.compile("sgd", "mse", metrics=[Summed()], run_eagerly=True)
    assert model.fit(X, Y, verbose=0).history["summed"] == [4.0]


class TensorflowsTape(keras.Model):
    def __init__(self):
        super().__init__()
        self.head = layers.Dense(1)

    def call(self, x):
        return self.head(x)

    def train_step(self, data):
        import tensorflow as tf

        x, y = data
        with tf.GradientTape() as tape:
            loss = self.compute_loss(y=y, y_pred=self(x, training=True))
        tape.gradient(loss, self.trainable_variables)


@pytest.mark.parametrize("eagerly", [False, True])
def test_tensorflows_tape(eagerly):
    pytest.importorskip("tensorflow")
    model = TensorflowsTape()
    model.compile("sgd", "mse", run_eagerly=eagerly)
    with pytest.raises(
        GradientError, match=r"Use `kerasflow\.GradientTape`(.|\n)*at .*test_errors.py:\d+: tape.grad"
    ):
        model.fit(X, Y, verbose=0)
    with pytest.raises(GradientError, match=r"Use `kerasflow\.GradientTape`"):
        _ = model.head.kernel._id
    with pytest.raises(AttributeError, match="'Variable' object has no attribute 'kind'"):
        _ = model.head.kernel.kind


def test_a_method_that_works_in_place():
    with pytest.raises(AttributeError, match=r"has no `fill`(.|\n)*at .*test_errors.py:\d+: kerasflow.jit"):
        kerasflow.jit(lambda x: x.fill(0))(X)
    with pytest.raises(AttributeError, match="'Tracer' object has no attribute 'relu'"):
        kerasflow.jit(lambda x: x.relu())(X)
