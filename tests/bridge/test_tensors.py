"""Tensors: arrays that came from Keras keep their value, in every mode; a user's own arrays stay NumPy's."""

from __future__ import annotations

import copy
import pickle
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import optree
import pytest
from op_calls import CALLS, is_there
from test_every_op import call, in_float32, used

import kerasflow
from kerasflow.compiler import at_once
from kerasflow.graph import Node, ShapedArray, Value, evaluate_node, infer
from kerasflow.primitives import PRIMITIVES
from kerasflow.tracing import Tracer
from kerasflow.tracing.tensor import Tensor

import keras  # isort: skip
from keras import layers, ops  # isort: skip


class Residual(keras.Model):
    """`h += 1` while another name has h."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = layers.Dense(2, kernel_initializer="ones")

    def call(self, x: Any) -> Any:
        h = self.dense(x)
        residual = h
        h += 1.0
        x *= 2
        return h + residual + ops.sum(x, axis=-1, keepdims=True)


def test_other_names_keep_their_value_in_every_mode() -> None:
    model, x = Residual(), np.ones((1, 3), "float32")
    expected = [[13.0, 13.0]]
    np.testing.assert_array_equal(model(x), expected)
    np.testing.assert_array_equal(model.predict(x, verbose=0), expected)
    model.compile("sgd", "mse", run_eagerly=True)
    np.testing.assert_array_equal(model.predict(x, verbose=0), expected)
    with kerasflow.GradientTape():
        np.testing.assert_array_equal(np.array(model(x)), expected)
    np.testing.assert_array_equal(x, 1)


def test_arguments_and_own_arrays_are_not_changed() -> None:
    own = np.ones(3, "float32")
    t = ops.convert_to_tensor(own)
    kept = t
    t *= 5
    np.testing.assert_array_equal(own, 1)
    np.testing.assert_array_equal(kept, 1)
    for view in (ops.reshape(own, (3, 1)), ops.cast(own, "float32"), ops.transpose(own)):
        own[...] = 7
        np.testing.assert_array_equal(view, 1)
        own[...] = 1
    own += t  # still an array of NumPy's, changed in place
    assert type(own) is np.ndarray
    np.testing.assert_array_equal(own, 6)


IN_PLACE: list[Callable[[Any], Any]] = [
    lambda x: x.__iadd__(2),
    lambda x: x.__isub__(2),
    lambda x: x.__imul__(2),
    lambda x: x.__itruediv__(2),
    lambda x: x.__ifloordiv__(2),
    lambda x: x.__imod__(2),
    lambda x: x.__ipow__(2),
    lambda x: x.__imatmul__(np.eye(3, dtype="float32")),
]


@pytest.mark.parametrize("operator", IN_PLACE, ids=range(len(IN_PLACE)))
def test_in_place_operators_make_a_new_tensor(operator: Callable[[Any], Any]) -> None:
    x = ops.convert_to_tensor(np.full((3, 3), 3.0, "float32"))
    y = operator(x)
    np.testing.assert_array_equal(x, 3)
    assert y is not x and y.dtype == x.dtype and isinstance(y, Tensor)


def test_in_place_is_what_the_operator_gives() -> None:
    total = ops.zeros(())
    total += ops.ones((2, 3))
    assert total.shape == (2, 3)
    count = ops.ones((2,), "int32")
    count += 1
    assert count.dtype == "int32"
    count = count / 2
    np.testing.assert_array_equal(count, [1, 1])
    mask = ops.convert_to_tensor([True, False])
    mask &= np.array([True, True])
    np.testing.assert_array_equal(mask, [True, False])


def _assign(x: Any) -> None:
    x[0] = 1


CHANGES: list[Callable[[Any], Any]] = [
    _assign,
    lambda x: np.copyto(x, 1),
    lambda x: np.fill_diagonal(x, 1),
    lambda x: np.put(x, [0], 1),
    lambda x: np.clip(np.ones((3, 3)), 0, 1, out=x),
]


@pytest.mark.parametrize("change", CHANGES, ids=range(len(CHANGES)))
def test_a_change_in_place_is_an_error_with_the_remedy(change: Callable[[Any], Any]) -> None:
    x = ops.ones((3, 3))
    with pytest.raises(TypeError, match="slice_update") as raised:
        change(x)
    assert "test_tensors.py" in str(raised.value)
    np.testing.assert_array_equal(x, 1)


@pytest.mark.parametrize("expression", list(filter(is_there, CALLS)))
def test_every_operation_gives_tensors(expression: str) -> None:
    arrays = {name: in_float32(x) for name, x in used(expression).items()}
    with np.errstate(all="ignore"):
        result = call(expression.lstrip("~"), list(arrays))(*arrays.values())
    # The last three give what `x[key]` and a user's own function give.
    if not any(
        name in expression for name in ("convert_to_numpy", "get_item", "vectorize", "custom_gradient")
    ):
        for leaf in optree.tree_leaves(result):
            assert type(leaf) is not np.ndarray
            assert not isinstance(leaf, np.generic)  # A single number is one too.


def test_random_numbers_layers_and_variables_are_tensors() -> None:
    layer = layers.Dense(2)
    for x in (
        keras.random.uniform((2,), seed=1),
        layer(np.ones((1, 3), "float32")),
        layer.kernel.value,
        ops.arange(3),
        ops.eye(2),
        ops.full((2,), 1.0),
    ):
        assert isinstance(x, Tensor)
    assert type(layer.kernel.numpy()) is np.ndarray
    assert type(ops.convert_to_numpy(ops.ones(2))) is np.ndarray
    assert type(keras.Sequential([layer]).predict(np.ones((1, 3)), verbose=0)) is np.ndarray


def test_single_numbers_are_tensors_that_do_what_scalars_do() -> None:
    metric = keras.metrics.Mean()
    metric.update_state([1.0, 2.0])
    x = ops.convert_to_tensor([[1.25, 2.0]])
    for number in (ops.mean(x), x[0, 1], next(iter(x[0])), metric.result(), ops.argmax(x), sum([*x[0]])):
        assert type(number) is Tensor and number.shape == ()
        assert type(number.numpy()) is np.ndarray
        assert hash(number) == hash(number.item())
    assert {1: "b"}[ops.argmax(x)] == "b"
    assert ["a", "b"][ops.argmax(x)] == "b"
    assert round(x[0, 0], 1) == np.float32(1.2)
    assert f"{x[0, 1]:.1f}" == "2.0"
    assert type(ops.cast(x, "bfloat16")[0, 0] * 2.5).__name__ == "ExtensionTensor"
    for refused in (hash, round):
        with pytest.raises(TypeError):
            refused(x)
    # NumPy's own functions give NumPy's scalars, and text is Python's.
    assert type(np.argmax(x)) is np.int64
    assert isinstance(ops.convert_to_tensor(["a", "b"])[1], str)


def test_a_single_number_can_be_watched() -> None:
    x = ops.sum(ops.ones(3))
    with kerasflow.GradientTape() as tape:
        tape.watch(x)
        y = x * x
    gradient = tape.gradient(y, x)
    assert type(gradient) is Tensor
    np.testing.assert_array_equal(gradient.numpy(), 6)


def test_no_operation_warns_where_numpy_does() -> None:
    x = ops.convert_to_tensor([-1.0, 0.0, 1e30])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ops.where(x > 0, ops.log(x), 0.0)
        ops.divide(x, x)
        ops.cast(x, "float16")
        layers.Softmax()(x - np.inf)
        keras.Variable(x, dtype="float16").assign(x * 2)
        keras.losses.CategoricalCrossentropy()([[0.0, 0.0]], [[0.0, 0.0]])


def test_places_are_of_the_dtype_that_keras_declares() -> None:
    for places in (ops.nonzero([0, 1]), ops.where([False, True])):
        (place,) = places
        assert place.dtype == "int32"
    assert ops.where(np.ones(2, "bool"), np.ones(2), 0.0).dtype == "float64"


def test_operations_that_ask_no_backend_give_tensors() -> None:
    x = np.arange(6.0).reshape(2, 3)
    double = ops.custom_gradient(lambda x: ([x * 2, x], lambda *gs, upstream=None: gs[0]))
    given = [
        ops.get_item(x, 0),
        ops.get_item([[1, 2]], 0),
        ops.vectorize(lambda a: a + 1)(x),
        *double(x),
        *ops.split(x, 2),
    ]
    before = [np.array(y) for y in given]
    x[:] = -1
    for tensor, expected in zip(given, before, strict=True):
        assert type(tensor) is Tensor
        np.testing.assert_array_equal(tensor, expected)
    assert ops.get_item(keras.Input((3,)), (slice(None), 0)).shape == (None,)


def test_keras_utilities_take_tensors() -> None:
    tiny = np.full((1, 2), 1e-9)
    np.testing.assert_array_equal(
        keras.utils.normalize(ops.convert_to_tensor(tiny)), kerasflow.jit(keras.utils.normalize)(tiny)
    )
    x = np.array([[3.0, 4.0], [0.0, 0.0]], "float32")
    np.testing.assert_allclose(keras.utils.normalize(ops.convert_to_tensor(x)), keras.utils.normalize(x))
    loss = keras.losses.CosineSimilarity()
    np.testing.assert_allclose(loss(x, ops.convert_to_tensor(x)), loss(x, x))
    assert type(keras.utils.to_categorical([0, 2])) is np.ndarray


def test_masks_hang_on_tensors() -> None:
    y = layers.Embedding(10, 3, mask_zero=True)(np.array([[5, 6, 0]]))
    np.testing.assert_array_equal(y._keras_mask, [[True, True, False]])
    assert getattr(y + 1, "_keras_mask", None) is None


def test_numpys_functions_take_tensors() -> None:
    x = ops.convert_to_tensor(np.array([3.0, 1.0, 2.0]))
    own = np.array(x)
    for function in (
        np.sort,
        np.gradient,
        np.median,
        np.unique,
        np.ediff1d,
        np.cumsum,
        lambda a: np.piecewise(a, [a < 2, a >= 2], [0, 1]),
        lambda a: np.partition(a, 1),
        lambda a: np.linalg.norm(a),
        lambda a: np.stack([a, a]),
        lambda a: np.nan_to_num(a),
    ):
        np.testing.assert_array_equal(function(x), function(own))
    assert isinstance(np.sort(x), Tensor)
    np.testing.assert_array_equal(x, own)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_holds_an_array_of_numpys(protocol: int) -> None:
    text = pickle.dumps(ops.arange(3), protocol)
    assert b"kerasflow" not in text
    loaded = pickle.loads(text)
    assert type(loaded) is np.ndarray
    np.testing.assert_array_equal(loaded, [0, 1, 2])
    assert isinstance(copy.deepcopy(ops.arange(3)), Tensor)


def test_a_constant_is_indexed_by_what_is_traced() -> None:
    def take(i: Any) -> Any:
        return ops.arange(4)[i] + ops.convert_to_tensor(np.eye(3))[None, i][0, 0]

    assert kerasflow.jit(take)(np.array(2)) == 2


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
def test_a_python_float_has_the_tensors_dtype(dtype: str) -> None:
    x = ops.ones((2,), dtype)
    for y in (x + 1.5, 1.5 - x, x * 2.0, 2.0 / x, x**2.0, x % 2.0, x // 2.0):
        assert y.dtype == dtype
    x += 0.5
    assert x.dtype == dtype
    cast = ops.cast(ops.ones((2,)), dtype)
    assert (cast * 2.0).dtype == dtype and (ops.cast(cast, "float32") * 2.0).dtype == "float32"


PARAMS: dict[str, Any] = {"strides": (2, 1), "padding": ((1, 0), (0, 1))}
CONVOLUTION = {**PARAMS, "dilation": (1, 1), "groups": 1}


@pytest.mark.parametrize(
    ("name", "shapes", "params"),
    [
        ("convolution", ((2, 6, 5, 3), (3, 2, 3, 4)), CONVOLUTION),
        ("max_pool", ((2, 6, 5, 3),), {**PARAMS, "window": (2, 2)}),
        ("einsum", ((2, 3), (3, 4)), {"subscripts": "ij,jk->ik"}),
        ("matmul", ((64, 128), (128, 64)), {}),
        ("matmul float16", ((16, 32), (32, 16)), {}),
    ],
)
def test_heavy_operations_are_programs(name: str, shapes: Any, params: Any) -> None:
    name, _, dtype = name.partition(" ")
    arrays = [np.random.default_rng(0).normal(size=shape).astype(dtype or float) for shape in shapes]
    values = [Value(ShapedArray(a.shape, a.dtype)) for a in arrays]
    node = Node(PRIMITIVES[name], values, params, infer(PRIMITIVES[name], [v.aval for v in values], params))
    before = at_once._program.cache_info().misses + at_once._program.cache_info().hits
    (result,) = at_once.compute(node, arrays)
    assert at_once._program.cache_info().misses + at_once._program.cache_info().hits == before + 1
    np.testing.assert_allclose(result, evaluate_node(node, arrays)[0], atol=0.02 if dtype else 1e-12)


@pytest.mark.parametrize(
    ("function", "shape"),
    [
        (lambda x: ops.dot_product_attention(x, x, x), (2, 64, 2, 64)),
        (lambda x: ops.image.resize(x, (80, 80)), (2, 64, 64, 3)),
        (lambda x: layers.AdaptiveAveragePooling1D(64)(x), (2, 100, 64)),
        (ops.cholesky_inverse, (80, 80)),
    ],
)
def test_what_keras_functions_multiply_is_programs_too(
    function: Callable[[Any], Any], shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    program, made = at_once._program, []
    monkeypatch.setattr(at_once, "_program", lambda p, *rest: made.append(p.name) or program(p, *rest))
    function(ops.convert_to_tensor(np.ones(shape, np.float32) + 64 * np.eye(*shape[-2:], dtype=np.float32)))
    assert "matmul" in made


def test_traced_arrays_are_no_tensors() -> None:
    seen = []
    kerasflow.jit(lambda x: seen.append(type(ops.relu(x))) or ops.relu(x))(np.ones(2))
    assert seen == [Tracer]
