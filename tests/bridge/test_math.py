"""Segments, ranks, windows, special functions."""

from __future__ import annotations

import subprocess
import sys
import warnings
from typing import Any
from unittest import mock

import numpy as np
import pytest
import scipy.special

import kerasflow
from kerasflow.bridge.ops import math
from kerasflow.errors import TracingError
from kerasflow.primitives import PRIMITIVES

import keras  # isort: skip

RNG = np.random.default_rng(0)
DATA = RNG.normal(size=(5, 3))
IDS = np.array([0, 2, 0, -1, 5])


@pytest.mark.parametrize("name", ["sum", "prod", "max", "min"])
def test_segments(name: str, assert_traces: Any) -> None:
    function = getattr(math, f"segment_{name}")
    empty = {"sum": 0, "prod": 1, "max": -np.inf, "min": np.inf}[name]
    expected = np.full((4, 3), float(empty))
    expected[0] = getattr(np, name)(DATA[[0, 2]], axis=0)
    expected[2] = DATA[1]
    np.testing.assert_allclose(assert_traces(lambda d, i: function(d, i, 4), DATA, IDS), expected, rtol=1e-13)
    np.testing.assert_array_equal(function(DATA, np.array([0, 1, 0, 1, 3])).shape, (4, 3))
    whole = function(np.array([5, 7], np.int8), np.array([1, 1]), 2)
    limits = np.iinfo(np.int8)
    assert whole.dtype == np.int8
    assert whole[0] == {"sum": 0, "prod": 1, "max": limits.min, "min": limits.max}[name]


@pytest.mark.parametrize("name", ["sum", "max", "min"])
def test_segment_gradients(name: str, assert_gradients: Any) -> None:
    function = getattr(math, f"segment_{name}")
    assert_gradients(lambda d: np.where(np.isinf(y := function(d, IDS, 4)), 0, y) ** 2, DATA)


def test_segments_of_a_program_need_their_number(traced: Any) -> None:
    with pytest.raises(TracingError, match="`num_segments` of `segment_sum` must be set"):
        traced(math.segment_sum, DATA, IDS)


ROWS = np.array([[3, 1, 3, 2, -np.inf, 3], [1, 1, 1, 0, 5, np.inf]], np.float32)


@pytest.mark.parametrize("k", [1, 2, 4, 6])
def test_top_k(k: int, assert_traces: Any) -> None:
    values, places = assert_traces(lambda x: math.top_k(x, k), ROWS)
    expected = np.argsort(-ROWS, axis=-1, kind="stable")[:, :k]
    assert places.dtype == np.int32
    np.testing.assert_array_equal(places, expected)
    np.testing.assert_array_equal(values, np.take_along_axis(ROWS, expected, -1))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "uint8", "int64", "bool"])
def test_top_k_of_equals_and_nan(dtype: str) -> None:
    """As a stable sort has it: of equals the first comes first, NaN before all numbers."""
    rng = np.random.default_rng(0)
    for number, shape in enumerate([(50,), (6, 40), (2, 3, 30), (0, 5), (4, 1)] * 8):
        x = rng.integers(0, 2 if dtype == "bool" else 6, shape).astype(dtype)
        if dtype.startswith("float"):
            x[x == 0] = [0.0, -0.0, np.inf, -np.inf, np.nan][number % 5]
        order = shape[-1] - 1 - np.argsort(x[..., ::-1], axis=-1, kind="stable")[..., ::-1]
        for k in range(min(shape[-1], 12) + 1):
            np.testing.assert_array_equal(math.top_k(x, k)[1], order[..., :k])


def test_top_k_does_not_sort() -> None:
    """What partitions, and a comparison, cost is independent of how many equals there are."""
    primitive = PRIMITIVES["top_k"]
    with mock.patch.object(np, "argsort", wraps=np.argsort) as argsort:
        for x in (np.arange(1000.0).reshape(2, 500), np.ones((2, 500))):
            primitive.evaluate(x, k=3)
    assert [call.args[0].shape for call in argsort.call_args_list] == [(2, 3), (2, 3)]


def test_top_k_gradient_and_integers(assert_gradients: Any) -> None:
    assert_gradients(lambda x: math.top_k(x, 2)[0] ** 2, DATA)
    values, places = math.top_k(np.array([0, 200, 7], np.uint8), 2)
    np.testing.assert_array_equal(values, [200, 7])
    np.testing.assert_array_equal(places, [1, 2])


def test_in_top_k(assert_traces: Any) -> None:
    predictions = np.array([[0.1, 0.5, 0.4], [0.3, 0.3, 0.4], [np.nan, 1, 2]], np.float32)
    for k, expected in ((1, [False, False, False]), (2, [True, True, False]), (3, [True, True, True])):
        found = assert_traces(lambda t, p, k=k: math.in_top_k(t, p, k), np.array([2, 0, 0]), predictions)
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("axis", [None, 0, -1, (0, 1)])
@pytest.mark.parametrize("keepdims", [False, True])
def test_logsumexp(axis: Any, keepdims: bool, assert_traces: Any, assert_gradients: Any) -> None:
    result = assert_traces(lambda x: math.logsumexp(x, axis, keepdims), DATA)
    np.testing.assert_allclose(result, scipy.special.logsumexp(DATA, axis, keepdims=keepdims), rtol=1e-13)
    assert_gradients(lambda x: math.logsumexp(x, axis, keepdims), DATA)


def test_logsumexp_of_infinities() -> None:
    x = np.array([[-np.inf, -np.inf], [1, np.inf], [np.nan, 1], [-np.inf, 2], [1e4, 1e4]], np.float32)
    np.testing.assert_allclose(
        math.logsumexp(x, axis=1), [-np.inf, np.inf, np.nan, 2, 1e4 + np.log(2)], rtol=1e-6
    )
    gradient = kerasflow.grad(lambda x: np.sum(math.logsumexp(x, axis=1)))
    np.testing.assert_array_equal(gradient(x[:1]), [[0, 0]])
    np.testing.assert_array_equal(gradient(x[3:]), [[0, 1], [0.5, 0.5]])


def test_cdist(assert_traces: Any, assert_gradients: Any) -> None:
    x, y = DATA, DATA[:3] + 1
    result = assert_traces(math.cdist, x, y)
    np.testing.assert_allclose(result, np.linalg.norm(x[:, None] - y[None], axis=-1), rtol=1e-13)
    assert_gradients(math.cdist, x, y)
    assert math.cdist(x.astype(np.float16), y.astype(np.int32)).dtype == np.float16
    with pytest.raises(ValueError, match="Last dimension"):
        math.cdist(x, y[:, :2])
    with pytest.raises(ValueError, match="rank >= 2"):
        math.cdist(x, y[0])


def test_extract_sequences(assert_traces: Any) -> None:
    x = np.arange(22).reshape(2, 11)
    result = assert_traces(lambda x: math.extract_sequences(x, 4, 3), x)
    np.testing.assert_array_equal(result, np.lib.stride_tricks.sliding_window_view(x, 4, axis=-1)[:, ::3])


@pytest.mark.parametrize(
    ("name", "reference"),
    [
        ("rsqrt", lambda x: x**-0.5),
        ("erf", scipy.special.erf),
        ("erfc", scipy.special.erfc),
        ("erfinv", scipy.special.erfinv),
        ("lgamma", scipy.special.gammaln),
    ],
)
def test_special_functions(name: str, reference: Any, assert_traces: Any, assert_gradients: Any) -> None:
    function, x = getattr(math, name), np.array([0.1, 0.5, 0.9])
    np.testing.assert_allclose(assert_traces(function, x), reference(x), rtol=1e-13)
    assert_gradients(function, x)
    assert function(x.astype(np.float16)).dtype == np.float16
    assert function(np.array([1], np.int32)).dtype == np.float32


def test_gammainc(assert_traces: Any) -> None:
    a, x = np.array([0.7, 1.0, 3.0]), np.array([0.2, 0.0, 5.0])
    np.testing.assert_allclose(assert_traces(math.gammainc, a, x), scipy.special.gammainc(a, x), rtol=1e-13)
    assert math.gammainc(a.astype(np.float16), 2).dtype == np.float16
    by_a, by_x = kerasflow.grad(lambda a, x: np.sum(math.gammainc(a, x)), (0, 1))(a, x)
    step = 1e-6
    differences = (scipy.special.gammainc(a + step, x) - scipy.special.gammainc(a - step, x)) / (2 * step)
    np.testing.assert_allclose(by_a, differences, rtol=1e-6)
    np.testing.assert_allclose(by_x, x ** (a - 1) * np.exp(-x) / scipy.special.gamma(a), rtol=1e-12)


def test_scipy_is_imported_only_where_it_is_needed() -> None:
    code = (
        "import sys\n"
        "sys.modules['scipy'] = None\n"  # An import is an error now.
        "import kerasflow, keras, numpy as np\n"
        "from kerasflow.bridge.ops import linalg, math\n"
        "math.logsumexp(np.ones(3)); linalg.solve(np.eye(2), np.ones(2)); math.stft(np.ones(32), 8, 4, 8)\n"
        "keras.random.truncated_normal((3,)); keras.ops.image.affine_transform(np.ones((4, 4, 1)), np.ones(8))\n"
        "try: math.erf(np.ones(3))\n"
        "except ImportError: print('needed')"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "needed\n"


def test_cross_products_of_vectors_in_the_plane() -> None:
    """Keras promises them; NumPy took them up to 2.4, with a warning."""
    x, y = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[5.0, 6.0], [7.0, 8.0]])
    in_space = np.pad(y, ((0, 0), (0, 1)), constant_values=9.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(keras.ops.cross(x, y), [-4, -4])
        np.testing.assert_array_equal(keras.ops.cross(x, in_space), [[18, -9, -4], [36, -27, -4]])
    with pytest.raises(ValueError, match="must be 2 or 3"):
        keras.ops.cross(np.ones(4), np.ones(4))
