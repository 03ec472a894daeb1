"""What calls take: text beside arrays, lists of arrays, more data than inputs, maxima that are traced."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import kerasflow  # isort: skip  (before Keras)
import keras
import numpy as np
import pytest
from at_hand import BACKENDS
from keras import ops

from kerasflow.testing import check_grads
from kerasflow.tracing.tensor import Tensor

X = np.arange(6, dtype=np.float32).reshape(2, 3)


taken: list[Any] = []


class _Takes(keras.layers.Layer):
    """Keeps what its call is given."""

    def __init__(self, convert: bool = True) -> None:
        super().__init__()
        self._convert_input_args = convert
        self._allow_non_tensor_positional_args = True

    def call(self, x: Any, *more: Any, y: Any = None, **others: Any) -> Any:
        taken[:] = [(x, more, y, others)]
        return X


TEXTS = {
    "str": np.array(["a", "b"]),
    "object": np.array(["a", "b"], dtype=object),
    "bytes": np.array([b"a", b"b"]),
    "list": ["a", "b"],
    "python": "a",
}


@pytest.mark.parametrize("kind", TEXTS)
def test_a_layer_that_converts_takes_arrays_of_text_beside_others(kind: str) -> None:
    """Python's strings are no arrays: to be beside some is refused, as with every backend."""
    layer, nested = _Takes(), {"text": TEXTS[kind], "x": X}
    if isinstance(TEXTS[kind], np.ndarray):
        layer(nested)
        assert all(isinstance(x, Tensor) for x in taken[0][0].values())
    else:
        with pytest.raises(ValueError, match="cannot mix tensors and non-tensors"):
            layer(nested)


@pytest.mark.parametrize("kind", TEXTS)
def test_text_beside_arrays_in_one_argument(kind: str) -> None:
    text = TEXTS[kind]
    for nested in (
        {"text": text, "x": X},
        [X, text],
        ({"deep": [text]}, X),
        {"text": text, "x": X, "none": None},
    ):
        layer = _Takes(convert=False)
        assert layer(nested) is not None
        assert _same(taken[0], (nested, (), None, {}))
        layer(X, nested, X, y=nested, other=nested)
        assert _same(taken[0], (X, (nested, X), nested, {"other": nested}))


def _same(x: Any, y: Any) -> bool:
    keras.tree.assert_same_structure(x, y)
    pairs = zip(keras.tree.flatten(x), keras.tree.flatten(y), strict=True)
    return all(type(a) is type(b) and np.array_equal(a, b) for a, b in pairs)


def test_text_beside_symbols_is_refused() -> None:
    """As with every backend: what the call is to make of them is not known."""
    with pytest.raises(ValueError, match="cannot mix tensors and non-tensors"):
        _Takes(False)({"text": ["a"], "x": keras.Input((3,))})


def test_a_model_of_text_and_numbers() -> None:
    class Own(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.look = keras.layers.StringLookup(vocabulary=["a", "b"])
            self.embed = keras.layers.Embedding(4, 3)
            self.dense = keras.layers.Dense(1)

        def call(self, data: Any) -> Any:
            return self.dense(self.embed(self.look(data["text"])) + data["x"])

    model, y = Own(), np.ones((2, 1))
    model.compile("sgd", "mse")
    data = {"text": TEXTS["object"], "x": X}
    expected = np.asarray(model(data))
    for found in (model.predict(data, verbose=0), model.predict_on_batch({"text": TEXTS["str"], "x": X})):
        np.testing.assert_allclose(found, expected, rtol=1e-6)
    first = model.evaluate(data, y, verbose=0)
    model.fit(data, y, verbose=0)
    assert model.train_on_batch(data, y) < first


def test_columns_of_objects_that_are_numbers() -> None:
    column = np.array([1, 2.5, np.float32(3), True], dtype=object)
    found = ops.convert_to_tensor(column, dtype="float32")
    assert found.dtype == np.float32 and found.tolist() == [1, 2.5, 3, 1]
    for wrong in (["1", 2], [None], [[1], [2, 3]]):
        with pytest.raises(ValueError, match="An array of Python objects cannot become float32"):
            ops.convert_to_tensor(np.array([*wrong, 0], dtype=object), dtype="float32")


UNARY = (
    "abs all amax any argsort conj copy count_nonzero diff flip imag isfinite isnan logical_not max min negative "
    "ones_like ravel real reciprocal round sign signbit sort squeeze transpose tril zeros_like"
).split()


@pytest.mark.parametrize("name", UNARY)
def test_lists_of_arrays(name: str) -> None:
    function = getattr(ops, name)
    expected = function(np.stack([X + 1, X + 2]))

    def of_list(x: Any) -> Any:
        return function([x + 1, x + 2])

    with kerasflow.GradientTape():
        recorded = of_list(keras.Variable(X))
    for found in (of_list(X), kerasflow.jit(of_list)(X), recorded):
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)


def test_view_without_a_dtype() -> None:
    for found in (ops.view(X), kerasflow.jit(ops.view)(X)):
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, X)


# -- more data than inputs ------------------------------------------------------------------------------------

Y = np.ones((2, 1))
DATA = {"a": X, "b": X[:, :2], "more": np.zeros((2, 5)), "text": np.array(["u", "v"])}
CALLS: dict[str, Callable[[Any], Any]] = {
    "call": lambda model: model({name: x for name, x in DATA.items() if name != "text"}),
    "fit": lambda model: model.fit(DATA, Y, verbose=0),
    "evaluate": lambda model: model.evaluate(DATA, Y, verbose=0),
    "predict": lambda model: model.predict(DATA, verbose=0),
    "train_on_batch": lambda model: model.train_on_batch(DATA, Y),
}


@pytest.mark.filterwarnings("ignore:The structure of `inputs`")
@pytest.mark.parametrize("eagerly", [False, True], ids=["compiled", "eagerly"])
@pytest.mark.parametrize("nested", [True, False], ids=["dict", "list"])
@pytest.mark.parametrize("call", CALLS)
def test_more_keys_than_inputs(call: str, nested: bool, eagerly: bool) -> None:
    a, b = keras.Input((3,), name="a"), keras.Input((2,), name="b")
    outputs = keras.layers.Dense(1)(keras.layers.Concatenate()([a, b]))
    model = keras.Model({"a": a, "b": b} if nested else [a, b], outputs)
    model.compile("sgd", "mse", run_eagerly=eagerly)
    CALLS[call](model)
    np.testing.assert_allclose(
        model.predict(DATA, verbose=0), model.predict({"a": DATA["a"], "b": DATA["b"]}, verbose=0), rtol=1e-6
    )


# -- loops whose maximum is traced ----------------------------------------------------------------------------


def _squared(x: Any, n: Any) -> Any:
    return ops.while_loop(lambda a: ops.max(a) < 50, lambda a: a * a + 1, x, maximum_iterations=n)


def _counted(x: Any, n: Any) -> Any:
    return ops.while_loop(
        lambda i, a: True, lambda i, a: (i + 1, a * 2), (ops.cast(0, "int32"), x), maximum_iterations=n
    )[1]


def _looked_up(x: Any, n: Any) -> Any:
    """Whose condition must not be asked beyond the maximum: there is no entry then."""
    return ops.while_loop(
        lambda i: ops.take(np.ones(3), i) > 0, lambda i: i + 1, ops.cast(0, "int32"), maximum_iterations=n
    )


@pytest.mark.parametrize("function", [_squared, _counted, _looked_up])
@pytest.mark.parametrize("n", [-1, 0, 1, 3])
def test_a_maximum_that_is_traced(function: Callable[..., Any], n: int) -> None:
    expected = function(X, n)
    np.testing.assert_allclose(kerasflow.jit(lambda x: function(x, n))(X), expected)
    for backend in BACKENDS:
        with kerasflow.use_backend(backend):
            np.testing.assert_allclose(kerasflow.jit(function)(X, np.array(n)), expected, err_msg=backend)


def test_its_gradients_and_state() -> None:
    x = X.astype(np.float64) / 7
    for n in (0, 2):
        check_grads(lambda x, n=n: _squared(x, ops.cast(ops.sum(x * 0) + n, "int32")), (x,))
    counter = keras.Variable(0, dtype="int32", trainable=False)

    def counting(x: Any, n: Any) -> Any:
        def body(a: Any) -> Any:
            counter.assign_add(1)
            return a + 1

        return ops.while_loop(lambda a: ops.sum(a) < 1e9, body, x, maximum_iterations=n)

    kerasflow.jit(counting)(X, np.array(4))
    assert int(counter.numpy()) == 4


def test_a_maximum_that_is_no_integer() -> None:
    with pytest.raises(ValueError, match=r"(?s)`maximum_iterations` must be an integer scalar.*test_calls"):
        kerasflow.jit(_counted)(X, np.array(2.5))
