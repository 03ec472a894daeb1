"""64-bit integers stay what they are: eagerly, recorded, compiled on each backend, and where shapes are inferred."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import kerasflow  # isort: skip  (before Keras)
import keras
import numpy as np
import pytest
from at_hand import BACKENDS
from keras import ops
from keras.src.backend import compute_output_spec

X = np.array([[5_000_000_000, 2**40 + 7, 3], [-5_000_000_000, 7, 2**35]])
Y = np.array([[2**33 + 1, 4, 2**34], [9, 2**36, 5]])

# A function of Keras's, and what it is of NumPy's arrays of 64-bit integers.
CASES: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "add": (lambda x, y: ops.add(x, y), lambda x, y: x + y),
    "add a number": (lambda x, y: ops.add(x, 1), lambda x, y: x + 1),
    "subtract": (lambda x, y: ops.subtract(1, x), lambda x, y: 1 - x),
    "multiply": (lambda x, y: ops.multiply(x, 3), lambda x, y: x * 3),
    "mod": (lambda x, y: ops.mod(x, 1000), lambda x, y: x % 1000),
    "mod by an array": (lambda x, y: ops.mod(x, y), lambda x, y: x % y),
    "floor_divide": (lambda x, y: ops.floor_divide(x, y), lambda x, y: x // y),
    "negative": (lambda x, y: ops.negative(x), lambda x, y: -x),
    "abs": (lambda x, y: ops.abs(x), lambda x, y: abs(x)),
    "maximum": (lambda x, y: ops.maximum(x, 0), lambda x, y: np.maximum(x, 0)),
    "clip": (lambda x, y: ops.clip(x, 0, 2**34), lambda x, y: np.clip(x, 0, 2**34)),
    "where": (lambda x, y: ops.where(x > y, x, 0), lambda x, y: np.where(x > y, x, 0)),
    "power": (lambda x, y: ops.power(y, 1), lambda x, y: y),
    "square": (lambda x, y: ops.square(x // 100_000), lambda x, y: (x // 100_000) ** 2),
    "sum": (lambda x, y: ops.sum(x, axis=0), lambda x, y: x.sum(0)),
    "prod": (lambda x, y: ops.prod(x[:, 2]), lambda x, y: x[:, 2].prod()),
    "max": (lambda x, y: ops.max(x, axis=1), lambda x, y: x.max(1)),
    "cumsum": (lambda x, y: ops.cumsum(x, axis=1), lambda x, y: x.cumsum(1)),
    "sort": (lambda x, y: ops.sort(x), lambda x, y: np.sort(x)),
    "concatenate": (lambda x, y: ops.concatenate([x, y]), lambda x, y: np.concatenate([x, y])),
    "stack": (lambda x, y: ops.stack([x, ops.cast(y, "int32")]), lambda x, y: np.stack([x, y.astype(np.int32)])),
    "outer": (lambda x, y: ops.outer(x[0], [1, 2]), lambda x, y: np.outer(x[0], [1, 2])),
    "matmul": (lambda x, y: ops.matmul(x, ops.transpose(y) // 2**20), lambda x, y: x @ (y.T // 2**20)),
    "einsum": (lambda x, y: ops.einsum("ij,ij->i", x, y // 2**20), lambda x, y: (x * (y // 2**20)).sum(1)),
    "tensordot": (lambda x, y: ops.tensordot(x, [[1], [2], [3]], 1), lambda x, y: x @ [[1], [2], [3]]),
    "equal": (lambda x, y: ops.equal(x, 5_000_000_000), lambda x, y: x == 5_000_000_000),
    "bitwise_and": (lambda x, y: ops.bitwise_and(x, 2**40 - 1), lambda x, y: x & (2**40 - 1)),
    "left_shift": (lambda x, y: ops.left_shift(x, 2), lambda x, y: x << 2),
    "take": (lambda x, y: ops.take(x, [0, 2], axis=1), lambda x, y: x[:, [0, 2]]),
    "scatter_update": (lambda x, y: ops.scatter_update(x, [[0, 0]], y[0, :1]), lambda x, y: _updated(x, y)),
    "segment_sum": (lambda x, y: ops.segment_sum(x, np.array([0, 0]), 1), lambda x, y: x.sum(0)[None]),
    "top_k": (lambda x, y: ops.top_k(x, 2)[0], lambda x, y: -np.sort(-x)[:, :2]),
    "diff": (lambda x, y: ops.diff(x), lambda x, y: np.diff(x)),
    "pad": (lambda x, y: ops.pad(x, 1), lambda x, y: np.pad(x, 1)),
    "cast": (lambda x, y: ops.cast(x, int), lambda x, y: x),
    "full_like": (lambda x, y: ops.full_like(x, 2**40), lambda x, y: np.full_like(x, 2**40)),
    "select": (lambda x, y: ops.select([x > 3], [x], 0), lambda x, y: np.where(x > 3, x, 0)),
    "fori_loop": (lambda x, y: ops.fori_loop(0, 3, lambda i, a: a + i, x), lambda x, y: x + 3),
    "operators": (lambda x, y: (x + 1) * 2 - x // 3 % 7, lambda x, y: (x + 1) * 2 - x // 3 % 7),
    "unsigned": (lambda x, y: ops.add(ops.cast(ops.abs(x), "uint64"), 1), lambda x, y: abs(x).astype("uint64") + 1),
}  # fmt: skip


def _updated(x: Any, y: Any) -> Any:
    return np.concatenate([[[y[0, 0], *x[0, 1:]]], x[1:]])


def _recorded(function: Callable[..., Any]) -> Callable[..., Any]:
    def run(*arrays: Any) -> Any:
        with kerasflow.GradientTape():
            return function(*(keras.Variable(a, dtype="int64", trainable=False) for a in arrays))

    return run


def _on(backend: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def run(*arrays: Any) -> Any:
        with kerasflow.use_backend(backend):
            return kerasflow.jit(function)(*arrays)

    return run


@pytest.mark.parametrize("name", CASES)
def test_they_stay(name: str) -> None:
    function, meaning = CASES[name]
    expected = np.asarray(meaning(X, Y))
    ways = {"eagerly": function, "recorded": _recorded(function), **{b: _on(b, function) for b in BACKENDS}}
    for way, run in ways.items():
        found = run(X, Y)
        assert found.dtype == expected.dtype, way
        np.testing.assert_array_equal(found, expected, err_msg=way)
    symbols = [keras.KerasTensor(a.shape, dtype="int64") for a in (X, Y)]
    inferred = compute_output_spec(function, *symbols)
    assert (inferred.dtype, inferred.shape) == (expected.dtype, expected.shape)


def test_variables() -> None:
    variable = keras.Variable(X, dtype="int64")
    for found, expected in ((variable + 1, X + 1), (1 - variable, 1 - X), (variable % 1000, X % 1000)):
        assert found.dtype == np.int64
        np.testing.assert_array_equal(found, expected)
    variable.assign_add(ops.ones_like(variable))
    np.testing.assert_array_equal(variable.numpy(), X + 1)


def test_numbers_of_pythons() -> None:
    """They have 32 bits, unless they need more."""
    for value, dtype in ((5, "int32"), ([1, 2], "int32"), (2**40, "int64"), ([1, -(2**40)], "int64")):
        found = ops.convert_to_tensor(value)
        assert found.dtype == dtype and np.array_equal(found, value)
    with pytest.raises(OverflowError):
        ops.convert_to_tensor(2**40, dtype="int32")
    with pytest.raises(OverflowError):
        ops.convert_to_tensor(2**70)


def test_a_model_of_identifiers() -> None:
    inputs = keras.Input((3,), dtype="int64")
    model = keras.Model(inputs, [ops.mod(inputs, 1000), inputs + 1])
    for remainders, following in (model(X), model.predict(X, verbose=0)):
        np.testing.assert_array_equal(remainders, X % 1000)
        np.testing.assert_array_equal(following, X + 1)


@pytest.mark.parametrize(
    ("types", "expected"),
    [
        (("int64", int), "int64"),
        (("int64", "int32"), "int64"),
        (("int64", "bool"), "int64"),
        (("uint64", "uint8"), "uint64"),
        (("int64", "float32"), "float32"),
        (("int64", float), "float32"),
        # Where no argument has 64 bits, the result has not: JAX's types.
        (("uint32", "int32"), "int32"),
        ((int,), "int32"),
        (("int32", int), "int32"),
        (("uint8", "int8"), "int16"),
    ],
)
def test_common_types(types: tuple[Any, ...], expected: str) -> None:
    assert keras.backend.result_type(*types) == expected
    assert keras.backend.result_type(*reversed(types)) == expected
