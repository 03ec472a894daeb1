"""Sparse tensors in Keras's operations: what dense ones give, and sparse where the table says so."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import keras
import numpy as np
import pytest
import scipy.sparse
from keras import ops

import kerasflow
from kerasflow import SparseTensor
from kerasflow.bridge.ops.sparse import RULES
from kerasflow.bridge.versions import LAYOUT
from kerasflow.tracing.sparse import capacity

Array = np.ndarray[Any, Any]


def drawn(
    shape: tuple[int, ...], seed: int = 0, axes: int | None = None, dtype: str = "float32"
) -> SparseTensor:
    """A tensor of numbers between -0.9 and 0.9, some of them at the same place.

    Args:
        axes: how many are sparse.
    """
    rng = np.random.default_rng(seed)
    sparse = shape[: len(shape) if axes is None else axes]
    count = max(int(np.prod(sparse)) // 2, 1)
    indices = np.stack([rng.integers(0, n, count) for n in sparse], axis=1)
    values = rng.uniform(-0.45, 0.45, (count, *shape[len(sparse) :]))
    if not np.issubdtype(np.dtype(dtype), np.floating):
        values = np.rint(values * 10)
    return SparseTensor(indices, values.astype(dtype), shape)


X = drawn((4, 6))
ROWS = drawn((4, 3, 2), axes=1)
CUBE = drawn((3, 2, 4))
Y = drawn((4, 6), seed=1)
DENSE = np.linspace(-2, 3, 24, dtype="float32").reshape(4, 6)

CALLS: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    **{
        name: (getattr(ops, name), (X,))
        for name, found in RULES.items()
        if hasattr(ops, name) and name not in ("digitize", "bincount", "matmul", "reshape", "concatenate", "cast")
        and found.__name__ in ("unary", "linear")
    },
    **{f"{name} of rows": (getattr(ops, name), (ROWS,)) for name in ("sqrt", "abs", "negative", "tanh")},
    "cast": (lambda x: ops.cast(x, "int32"), (X * 9,)),
    "digitize": (lambda x: ops.digitize(x, np.array([0.1, 0.3], "float32")), (X,)),
    **{
        f"{name}, {kind}": (getattr(ops, name), pair)
        for name in ("add", "subtract", "maximum", "minimum", "multiply")
        for kind, pair in {
            "places of each": (X, Y),
            "places of one": (X, X),
            "rows": (ROWS, ROWS),
            "a row and scalars": (ROWS, drawn((4, 3, 2), seed=3)),
            "of two dtypes": (X, drawn((4, 6), seed=2, dtype="int32")),
        }.items()
    },
    "multiply, a number": (ops.multiply, (X, 3)),
    "multiply, dense": (ops.multiply, (X, DENSE)),
    "multiply, dense first": (ops.multiply, (DENSE, X)),
    "multiply, a row": (ops.multiply, (X, DENSE[:1])),
    "multiply, a column": (ops.multiply, (DENSE[:, :1], X)),
    "multiply, fewer axes": (ops.multiply, (X, DENSE[0])),
    "multiply, of rows": (ops.multiply, (ROWS, DENSE.reshape(4, 3, 2))),
    "multiply, rows by one each": (ops.multiply, (ROWS, DENSE[:4, :1, None])),
    "divide, dense": (ops.divide, (X, DENSE + 10)),
    "divide, a number": (ops.true_divide, (X, 4.0)),
    **{
        f"{name}, axis {axis}, keepdims {keep}": (
            lambda x, name=name, axis=axis, keep=keep: getattr(ops, name)(x, axis=axis, keepdims=keep), (x,)
        )
        for name in ("sum", "mean")
        for axis in (None, 0, 1, (0, -1), ())
        for keep in (False, True)
        for x in (CUBE,)
    },
    "sum of integers": (lambda x: ops.sum(x, axis=1), (drawn((3, 5), dtype="int8"),)),
    "concatenate, rows": (lambda x, y: ops.concatenate([x, y], axis=0), (X, Y)),
    "concatenate, columns": (lambda x, y: ops.concatenate([x, y], axis=-1), (X, Y)),
    "expand_dims": (lambda x: ops.expand_dims(x, 1), (X,)),
    "expand_dims, several": (lambda x: ops.expand_dims(x, (0, -1)), (X,)),
    "squeeze": (ops.squeeze, (drawn((3, 1, 2, 1)),)),
    "squeeze, one": (lambda x: ops.squeeze(x, 1), (drawn((3, 1, 2)),)),
    "reshape": (lambda x: ops.reshape(x, (2, -1, 3)), (CUBE,)),
    "reshape, rows": (lambda x: ops.reshape(x, (-1, 2)), (ROWS,)),
    "transpose": (ops.transpose, (CUBE,)),
    "transpose, axes": (lambda x: ops.transpose(x, (1, 2, 0)), (CUBE,)),
    "matmul, both": (ops.matmul, (X, ops.transpose(Y))),
    "an operator": (lambda x, y: (x + y) * 2 - x / 4, (X, Y)),
}  # fmt: skip

DENSE_RESULTS: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "exp": (ops.exp, (X,)),
    "relu": (ops.relu, (X - 0,)),
    "add, dense": (ops.add, (X, DENSE)),
    "add, a number": (ops.add, (1, X)),
    "add, broadcast": (ops.add, (X, drawn((1, 6)))),
    "maximum, dense": (ops.maximum, (DENSE, X)),
    "divide, both": (ops.divide, (X, Y)),
    "multiply, larger": (ops.multiply, (X, np.ones((2, 1, 1), "float32"))),
    "digitize, zero": (lambda x: ops.digitize(x, np.array([-0.1, 0.3], "float32")), (X,)),
    "matmul": (ops.matmul, (X, DENSE.T)),
    "matmul, dense first": (ops.matmul, (DENSE.T, X)),
    "matmul, of two dtypes": (ops.matmul, (drawn((4, 6), dtype="int8"), DENSE.T)),
    "matmul, int8": (ops.matmul, (drawn((4, 6), dtype="int8"), np.full((6, 2), 100, "int8"))),
    "matmul, a stack": (ops.matmul, (CUBE, np.ones((3, 4, 2), "float32"))),
    "matmul, a stack by one": (ops.matmul, (CUBE, DENSE[:, :2])),
    "matmul, one by a stack": (ops.matmul, (X, DENSE.reshape(2, 6, 2))),
    "matmul, a larger stack": (ops.matmul, (drawn((1, 4, 6)), DENSE.reshape(2, 6, 2))),
    "matmul, a vector": (ops.matmul, (X, DENSE[0])),
    "concatenate, one dense": (lambda x, y: ops.concatenate([x, y], axis=0), (X, DENSE)),
    "take": (lambda x: ops.take(x, [1, 0], axis=1), (X,)),
    "an item": (lambda x: x[1:, 0], (X,)),
    "softmax": (ops.softmax, (X,)),
    "max": (lambda x: ops.max(x, axis=0), (X,)),
}


def dense(x: Any) -> Any:
    return np.asarray(x) if isinstance(x, SparseTensor) else x


@pytest.mark.parametrize("name", [*CALLS, *DENSE_RESULTS])
@pytest.mark.parametrize("how", ["eager", "compiled"])
def test_as_dense(name: str, how: str) -> None:
    function, args = (CALLS | DENSE_RESULTS)[name]
    expected = function(*map(dense, args))
    found = (kerasflow.jit(function) if how == "compiled" else function)(*args)
    assert isinstance(found, SparseTensor) == (name in CALLS)
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(np.asarray(found), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", [*CALLS, *DENSE_RESULTS])
def test_symbolic(name: str) -> None:
    """What a sparse input gives is known before: no program has to be run for it."""
    function, args = (CALLS | DENSE_RESULTS)[name]
    given = [
        keras.KerasTensor(x.shape, str(x.dtype), sparse=True) if isinstance(x, SparseTensor) else x
        for x in args
    ]
    from keras.src import backend

    found = backend.compute_output_spec(function, *given)
    expected = function(*args)
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype
    if name != "digitize, zero":
        assert found.sparse == isinstance(expected, SparseTensor)


def test_the_table_names_operations() -> None:
    modules = [importlib.import_module(f"{LAYOUT.operations}.{name}") for name in ("core", "numpy")]
    assert set(RULES) <= {name for module in modules for name in vars(module)}


@pytest.mark.parametrize("dtype", ["int32", "float32"])
def test_quotients_of_zero(dtype: str) -> None:
    x = SparseTensor([[0, 0], [1, 2]], np.array([2, 3], dtype), (2, 3))
    divisor = np.array([[0, 0, 1], [4, 2, 0]], dtype)
    with np.errstate(all="ignore"):
        expected = np.asarray(x) / divisor
        found = ops.divide(x, divisor)
    assert isinstance(found, SparseTensor)
    np.testing.assert_array_equal(np.asarray(found), expected.astype("float32"))


def test_a_program_leaves_what_is_not_stored() -> None:
    x = SparseTensor([[0, 1]], np.array([3], "float32"), (1, 3))
    divisor, infinite = np.array([[0, 2, 0]], "float32"), np.array([[np.inf, 2, np.nan]], "float32")
    quotient, product = kerasflow.jit(lambda a, b, c: (ops.divide(a, b), ops.multiply(a, c)))(
        x, divisor, infinite
    )
    np.testing.assert_array_equal(np.asarray(quotient), [[0, 1.5, 0]])
    np.testing.assert_array_equal(np.asarray(product), [[0, 6, 0]])


@pytest.mark.parametrize("form", ["csr_array", "csc_matrix", "coo_array", "lil_array"])
def test_scipy(form: str) -> None:
    matrix = getattr(scipy.sparse, form)(np.where(DENSE > 1, DENSE, 0))
    found = ops.convert_to_tensor(matrix)
    assert isinstance(found, SparseTensor)
    assert keras.backend.is_keras_tensor(found) is False
    np.testing.assert_array_equal(np.asarray(found), matrix.toarray())
    np.testing.assert_array_equal(ops.convert_to_tensor(matrix, sparse=False), matrix.toarray())
    np.testing.assert_array_equal(ops.convert_to_numpy(matrix), matrix.toarray())


def test_a_matrix_that_has_places_twice_stays_as_it_is() -> None:
    matrix = scipy.sparse.csr_array(
        (np.array([1.0, 2.0]), np.array([1, 1]), np.array([0, 2, 2])), shape=(2, 3)
    )
    found = ops.square(ops.convert_to_tensor(matrix))
    np.testing.assert_array_equal(np.asarray(found), [[0, 9, 0], [0, 0, 0]])
    assert matrix.nnz == 2


@pytest.mark.parametrize("sparse", [True, False])
@pytest.mark.parametrize("axis", [-1, 0, 1])
def test_encodings(sparse: bool, axis: int) -> None:
    numbers = np.array([[1, 3, -1], [7, 1, 1]])
    for function in (ops.one_hot, ops.multi_hot):
        expected = function(numbers, 5, axis=axis)
        for call in (function, kerasflow.jit(lambda x, f=function: f(x, 5, axis=axis, sparse=sparse))):
            found = call(numbers, 5, axis=axis, sparse=sparse) if call is function else call(numbers)
            assert isinstance(found, SparseTensor) == sparse
            np.testing.assert_array_equal(np.asarray(found), expected)


def test_bincount() -> None:
    numbers, weights = np.array([[1, 3, 1], [0, 1, 1]]), np.ones((2, 3), "float32") / 2
    for given in (None, weights):
        found = ops.bincount(numbers, weights=given, minlength=6, sparse=True)
        assert isinstance(found, SparseTensor)
        np.testing.assert_array_equal(np.asarray(found), ops.bincount(numbers, weights=given, minlength=6))


class TestTheClass:
    def test_places_of_one_number_are_added_up(self) -> None:
        x = SparseTensor([[0, 1], [0, 1]], [1.0, 2.0], (1, 2))
        np.testing.assert_array_equal(np.asarray(x), [[0, 3]])
        np.testing.assert_array_equal(x.indices, [[0, 1], [0, 1]])
        assert "2 stored" in repr(x) and len(x) == 1 and x.size == 2 and x.ndim == 2

    def test_it_has_its_own_numbers(self) -> None:
        values = np.array([1.0])
        x = SparseTensor([[0]], values, (2,))
        values[0] = 5
        np.testing.assert_array_equal(x.numpy(), [1, 0])

    def test_what_does_not_fit(self) -> None:
        with pytest.raises(
            ValueError, match=r"a row of `indices` for each .* shape \(2, 1\) .* shape \(3,\)"
        ):
            SparseTensor([[0], [1]], [1, 2, 3], (4,))
        with pytest.raises(ValueError, match=r"on 1 axes are not those of a tensor of shape \(4, 3\)"):
            SparseTensor([[0]], [1], (4, 3))
        with pytest.raises(IndexError, match=r"The place \(1, 3\), number 1, is outside .* shape \(2, 3\)"):
            SparseTensor([[0, 0], [1, 3]], [1, 2], (2, 3))
        with pytest.raises(ValueError, match=r"shapes \(4, 6\) and \(5, 2\) do not fit"):
            X @ np.ones((5, 2), "float32")
        with pytest.raises(ValueError, match=r"\(4, 6\) cannot be reshaped to \(5, 5\)"):
            ops.reshape(X, (5, 5))
        with pytest.raises(ValueError, match=r"\(4, 6\), \(3, 2, 4\) cannot be concatenated"):
            ops.concatenate([X, CUBE])
        with pytest.raises(TypeError, match="unsized"):
            len(SparseTensor(np.zeros((1, 0), int), [1], ()))

    def test_operators_of_numpy_arrays(self) -> None:
        for found, expected in (
            (DENSE * X, DENSE * np.asarray(X)),
            (DENSE.T @ X, DENSE.T @ np.asarray(X)),
            (DENSE + X, DENSE + np.asarray(X)),
            (-X, -np.asarray(X)),
            (abs(X), abs(np.asarray(X))),
            (X > 0.1, np.asarray(X) > 0.1),
            (X.T, np.asarray(X).T),
            (X.astype("float64"), np.asarray(X).astype("float64")),
        ):
            np.testing.assert_allclose(np.asarray(found), expected, rtol=1e-6)


def test_few_sizes_of_programs() -> None:
    """How many numbers are stored differs from batch to batch, and makes no program."""
    product = kerasflow.jit(lambda x, y: x @ y)
    for count in range(300, 500):
        x = SparseTensor(
            np.stack([np.arange(count) % 4, np.arange(count) % 6], axis=1), np.ones(count), (4, 6)
        )
        np.testing.assert_allclose(product(x, DENSE.T.astype(float)), np.asarray(x) @ DENSE.T, rtol=1e-6)
    assert len(product.entries) == 1
    assert [capacity(n) for n in (0, 1, 16, 17, 4096, 4097)] == [16, 16, 16, 32, 4096, 8192]


def squared(x: Any, weights: Any) -> Any:
    return ops.sum(ops.square(ops.matmul(x, weights)))


@pytest.mark.parametrize("how", ["tape", "grad"])
def test_gradients(how: str) -> None:
    weights = keras.Variable(DENSE.T)
    factor = keras.Variable(DENSE[0])

    def loss(sparse: bool) -> Any:
        x = X if sparse else np.asarray(X)
        return squared(x, weights) + ops.sum(ops.square(ops.multiply(x, factor)))

    found = []
    for sparse in (True, False):
        if how == "tape":
            with kerasflow.GradientTape() as tape:
                y = loss(sparse)
            found.append(tape.gradient(y, [weights, factor]))
        else:
            x = X if sparse else np.asarray(X)
            found.append([kerasflow.grad(partial(squared, x))(DENSE.T)])
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


def test_gradient_of_the_numbers() -> None:
    places = np.array([[0, 0], [1, 2], [1, 2]])

    def loss(values: Any) -> Any:
        return ops.sum(ops.square(SparseTensor(places, values, (2, 3)) @ DENSE[:3, :2]))

    values = np.array([0.5, 1.0, -2.0], "float32")
    found = kerasflow.grad(loss)(values)
    step = 1e-2
    for i in range(3):
        change = np.eye(3, dtype="float32")[i] * step
        expected = (loss(values + change) - loss(values - change)) / (2 * step)
        np.testing.assert_allclose(found[i], expected, rtol=1e-3)


def test_scipy_is_imported_when_it_is_needed() -> None:
    code = (
        "import kerasflow, keras, sys, numpy as np\n"
        "x = keras.ops.one_hot(np.array([1, 2]), 3, sparse=True)\n"
        "keras.ops.convert_to_numpy(x * 2)\n"
        "print('scipy.sparse' in sys.modules)\n"
        "x @ np.ones((3, 2), 'float32')\n"
        "print('scipy.sparse' in sys.modules)\n"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["False", "True"]
