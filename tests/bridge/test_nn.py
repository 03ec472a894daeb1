"""Activations, losses and the other neural-network operations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import scipy.special

import kerasflow
from kerasflow.bridge.ops import nn
from kerasflow.errors import TracingError

SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805


def _sigmoid(x: Any) -> Any:
    return scipy.special.expit(x)


def _hard_sigmoid(x: Any) -> Any:
    return np.clip(x / 6 + 0.5, 0, 1)


def _elu(x: Any, alpha: float = 1.0) -> Any:
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


# Each activation: the function, its textbook form, its derivative at 0.
ACTIVATIONS: dict[str, tuple[Callable[..., Any], Callable[..., Any], float]] = {
    "relu": (nn.relu, lambda x: np.maximum(x, 0), 0),
    "relu6": (nn.relu6, lambda x: np.clip(x, 0, 6), 0),
    "sigmoid": (nn.sigmoid, _sigmoid, 0.25),
    "sparse_sigmoid": (nn.sparse_sigmoid, lambda x: np.clip((x + 1) / 2, 0, 1), 0.5),
    "tanh": (nn.tanh, np.tanh, 1),
    "tanh_shrink": (nn.tanh_shrink, lambda x: x - np.tanh(x), 0),
    "softplus": (nn.softplus, lambda x: np.logaddexp(x, 0), 0.5),
    "softsign": (nn.softsign, lambda x: x / (1 + np.abs(x)), 1),
    "soft_shrink": (nn.soft_shrink, lambda x: np.sign(x) * np.maximum(np.abs(x) - 0.5, 0), 0),
    "sparse_plus": (
        nn.sparse_plus,
        lambda x: np.where(x <= -1, 0, np.where(x < 1, np.square(x + 1) / 4, x)),
        0.5,
    ),
    "silu": (nn.silu, lambda x: x * _sigmoid(x), 0.5),
    "squareplus": (nn.squareplus, lambda x: (x + np.sqrt(x * x + 4)) / 2, 0.5),
    "log_sigmoid": (nn.log_sigmoid, scipy.special.log_expit, 0.5),
    "leaky_relu": (nn.leaky_relu, lambda x: np.where(x >= 0, x, 0.2 * x), 1),
    "leaky_relu_steep": (lambda x: nn.leaky_relu(x, 3.0), lambda x: np.where(x >= 0, x, 3 * x), 1),
    "hard_sigmoid": (nn.hard_sigmoid, _hard_sigmoid, 1 / 6),
    "hard_silu": (nn.hard_silu, lambda x: x * _hard_sigmoid(x), 0.5),
    "hard_tanh": (nn.hard_tanh, lambda x: np.clip(x, -1, 1), 1),
    "hard_shrink": (nn.hard_shrink, lambda x: np.where(np.abs(x) > 0.5, x, 0), 0),
    "threshold": (lambda x: nn.threshold(x, 0.2, -3.0), lambda x: np.where(x > 0.2, x, -3), 0),
    "elu": (nn.elu, _elu, 1),
    "elu_half": (lambda x: nn.elu(x, alpha=0.5), lambda x: _elu(x, 0.5), 0.5),
    "selu": (nn.selu, lambda x: SELU_SCALE * _elu(x, SELU_ALPHA), SELU_SCALE * SELU_ALPHA),
    "celu": (nn.celu, _elu, 1),
    "celu_two": (lambda x: nn.celu(x, alpha=2.0), lambda x: np.where(x > 0, x, 2 * _elu(x / 2)), 1),
    "gelu": (
        nn.gelu,
        lambda x: 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),
        0.5,
    ),
    "gelu_exact": (lambda x: nn.gelu(x, approximate=False), lambda x: x * scipy.special.ndtr(x), 0.5),
}
EDGES = np.array(
    [0, 1e-8, -1e-8, 0.3, -0.7, 1, -1, 3, -3, 6, 20, -20, 88, -88, 89, -89, 100, -100, 1e4, -1e4], np.float32
)
# Away from kinks, for central differences.
SMOOTH = np.array([0.31, -0.74, 1.7, -2.2, 2.9, -5.3, 5.1, 20, -20, 100, -100])

each_activation = pytest.mark.parametrize(
    ("function", "reference", "at_zero"), ACTIVATIONS.values(), ids=ACTIVATIONS
)


@each_activation
def test_values_are_the_textbook_form(function: Any, reference: Any, at_zero: float) -> None:
    x = np.concatenate([EDGES.astype(np.float64), np.linspace(-12, 12, 97)])
    np.testing.assert_allclose(function(x), reference(x), rtol=1e-12, atol=1e-15)
    small = x.astype(np.float32)
    result = function(small)
    assert result.dtype == np.float32
    expected = reference(small.astype(np.float64))
    # As close as the rounding of numbers of x's size allows.
    assert (np.abs(result - expected) <= 1e-6 + 2e-5 * np.abs(expected) + 1e-7 * np.abs(small)).all()


@each_activation
def test_gradients_are_central_differences(
    function: Any, reference: Any, at_zero: float, assert_gradients: Any
) -> None:
    assert_gradients(function, SMOOTH)


@each_activation
def test_gradients_stay_finite_and_are_right_at_zero(function: Any, reference: Any, at_zero: float) -> None:
    def gradient(x: Any) -> Any:
        return kerasflow.grad(lambda x: np.sum(function(x)))(x)

    found = gradient(EDGES)
    assert np.isfinite(found).all()
    assert found[0] == pytest.approx(at_zero, abs=1e-7)
    # A second derivative must not bring infinities back either.
    assert np.isfinite(kerasflow.grad(lambda x: np.sum(gradient(x)))(EDGES)).all()


# At both infinities: the value below and above, the derivative below and above.
LIMITS: dict[str, tuple[float, float, float, float]] = {
    "relu": (0, np.inf, 0, 1),
    "relu6": (0, 6, 0, 0),
    "sigmoid": (0, 1, 0, 0),
    "tanh_shrink": (-np.inf, np.inf, 1, 1),
    "softplus": (0, np.inf, 0, 1),
    "soft_shrink": (-np.inf, np.inf, 1, 1),
    "sparse_plus": (0, np.inf, 0, 1),
    "log_sigmoid": (-np.inf, 0, 1, 0),
    "leaky_relu": (-np.inf, np.inf, 0.2, 1),
    "hard_sigmoid": (0, 1, 0, 0),
    "hard_tanh": (-1, 1, 0, 0),
    "hard_shrink": (-np.inf, np.inf, 1, 1),
    "elu": (-1, np.inf, 0, 1),
    "selu": (-SELU_SCALE * SELU_ALPHA, np.inf, 0, SELU_SCALE),
    "celu": (-1, np.inf, 0, 1),
}


@pytest.mark.parametrize("name", LIMITS)
def test_limits(name: str) -> None:
    function = ACTIVATIONS[name][0]
    x = np.array([-np.inf, np.inf])
    gradient = kerasflow.grad(lambda x: np.sum(function(x)))
    for f, expected in ((function, LIMITS[name][:2]), (gradient, LIMITS[name][2:])):
        np.testing.assert_allclose(f(x), expected, atol=1e-30)
        np.testing.assert_allclose(kerasflow.jit(f)(x), expected, atol=1e-30)


def test_crossentropy_of_certain_logits() -> None:
    logits, labels = np.array([-np.inf, np.inf]), np.array([0.0, 1.0])

    def wrong(x: Any) -> Any:
        return nn.binary_crossentropy(labels[::-1], x, from_logits=True)

    np.testing.assert_array_equal(wrong(logits), [np.inf, np.inf])
    np.testing.assert_array_equal(kerasflow.jit(kerasflow.grad(lambda x: np.sum(wrong(x))))(logits), [-1, 1])


@each_activation
def test_traced_equals_eager(function: Any, reference: Any, at_zero: float, assert_traces: Any) -> None:
    assert_traces(function, EDGES)
    assert_traces(function, EDGES.astype(np.float16))


@each_activation
@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float64])
def test_dtypes_are_kept(function: Any, reference: Any, at_zero: float, dtype: Any) -> None:
    assert function(SMOOTH.astype(dtype)).dtype == dtype


def test_sigmoid_keeps_its_relative_precision() -> None:
    x = np.array([-20, -50, -80], np.float32)
    np.testing.assert_allclose(nn.sigmoid(x), _sigmoid(x.astype(np.float64)), rtol=1e-6)
    np.testing.assert_allclose(nn.sigmoid(np.array([-np.inf, np.inf], np.float32)), [0, 1], atol=1e-37)
    np.testing.assert_allclose(nn.sigmoid(np.array([-600.0])), _sigmoid(np.array([-600.0])), rtol=1e-12)


def test_integers_become_floats() -> None:
    x = np.array([-1, 0, 2], np.int32)
    assert nn.sigmoid(x).dtype == np.float32
    assert nn.relu(x).dtype == np.int32


# -- softmax and its kin -------------------------------------------------------------------------------------

LOGITS = np.random.default_rng(0).normal(size=(4, 5)) * 3
WEIGHTS = np.random.default_rng(1).normal(size=(4, 5))


@pytest.mark.parametrize("axis", [-1, 0, (0, 1)])
def test_softmax(axis: Any, assert_traces: Any, assert_gradients: Any) -> None:
    np.testing.assert_allclose(
        nn.softmax(LOGITS, axis=axis), scipy.special.softmax(LOGITS, axis=axis), rtol=1e-13
    )
    np.testing.assert_allclose(
        nn.log_softmax(LOGITS, axis=axis), scipy.special.log_softmax(LOGITS, axis=axis), rtol=1e-13
    )
    for function in (nn.softmax, nn.log_softmax):
        assert_traces(lambda x, f=function: f(x, axis=axis), LOGITS.astype(np.float32))
        assert_gradients(lambda x, f=function: f(x, axis=axis) * WEIGHTS, LOGITS)


def test_softmax_of_large_numbers() -> None:
    x = np.array([[1e4, -1e4, 0], [-np.inf, 0, 0]], np.float32)
    np.testing.assert_array_equal(nn.softmax(x), [[1, 0, 0], [0, 0.5, 0.5]])
    found = kerasflow.grad(lambda x: np.sum(nn.log_softmax(x)[:, 1]))(x[:1])
    np.testing.assert_array_equal(found, [[-1, 1, 0]])


def test_sparsemax(assert_traces: Any, assert_gradients: Any) -> None:
    np.testing.assert_array_equal(nn.sparsemax(np.array([-0.5, 0, 1, 2, 3])), [0, 0, 0, 0, 1])
    assert_traces(lambda x: nn.sparsemax(x, axis=0), LOGITS.astype(np.float32))
    assert_gradients(lambda x: nn.sparsemax(x) * WEIGHTS, LOGITS / 4)
    with pytest.raises(ValueError, match="axis"):
        nn.sparsemax(LOGITS, axis=3)


def test_glu(assert_traces: Any, assert_gradients: Any) -> None:
    x = LOGITS[:, :4]
    np.testing.assert_allclose(nn.glu(x, axis=0), x[:2] * _sigmoid(x[2:]), rtol=1e-13)
    assert_traces(nn.glu, x.astype(np.float32))
    assert_gradients(nn.glu, x)
    with pytest.raises(ValueError, match="divisible by 2"):
        nn.glu(LOGITS)


# -- labels --------------------------------------------------------------------------------------------------


def test_one_hot(assert_traces: Any) -> None:
    labels = np.array([[0, 2], [-1, 5]])
    expected = np.zeros((2, 2, 4))
    expected[0, 0, 0] = expected[0, 1, 2] = 1
    result = assert_traces(lambda x: nn.one_hot(x, 4), labels)
    assert result.dtype == np.float32
    np.testing.assert_array_equal(result, expected)
    np.testing.assert_array_equal(nn.one_hot(labels, 4, axis=0, dtype="int8"), np.moveaxis(expected, -1, 0))
    np.testing.assert_array_equal(nn.one_hot(labels, 4, axis=1), np.moveaxis(expected, -1, 1))
    assert nn.one_hot(np.array([1, 3], np.uint8), 300).shape == (2, 300)
    np.testing.assert_array_equal(np.asarray(nn.one_hot(labels, 4, sparse=True)), expected)


def test_multi_hot(assert_traces: Any) -> None:
    np.testing.assert_array_equal(
        assert_traces(lambda x: nn.multi_hot(x, 4), np.array([[0, 2], [3, 3]])), [[1, 0, 1, 0], [0, 0, 0, 1]]
    )
    np.testing.assert_array_equal(nn.multi_hot(np.array([1, 2]), 4, dtype="int32"), [0, 1, 1, 0])


# -- losses --------------------------------------------------------------------------------------------------

PROBABILITIES = scipy.special.softmax(LOGITS, axis=-1)
TARGETS = scipy.special.softmax(WEIGHTS, axis=-1)
CLASSES = np.array([0, 3, 4, 2])
# Not close to 0, where central differences are coarse.
SOFT = scipy.special.softmax(LOGITS / 5, axis=-1)
LOG = scipy.special.log_softmax(LOGITS, axis=-1)


def test_categorical_crossentropy(assert_traces: Any, assert_gradients: Any) -> None:
    expected = -np.sum(TARGETS * LOG, axis=-1)
    np.testing.assert_allclose(
        nn.categorical_crossentropy(TARGETS, LOGITS, from_logits=True), expected, rtol=1e-13
    )
    np.testing.assert_allclose(nn.categorical_crossentropy(TARGETS, PROBABILITIES * 7), expected, rtol=1e-6)
    for from_logits, output in ((True, LOGITS), (False, SOFT)):
        loss = lambda t, y, flag=from_logits: nn.categorical_crossentropy(t, y, flag)  # noqa: E731
        assert_traces(loss, TARGETS.astype(np.float32), output.astype(np.float32))
        assert_gradients(loss, TARGETS, output)
    along_first = nn.categorical_crossentropy(TARGETS.T, LOGITS.T, from_logits=True, axis=0)
    np.testing.assert_allclose(along_first, expected, rtol=1e-13)


def test_sparse_categorical_crossentropy(assert_traces: Any, assert_gradients: Any) -> None:
    expected = -LOG[np.arange(4), CLASSES]
    for labels in (CLASSES, CLASSES[:, None], CLASSES.astype(np.uint8)):
        found = nn.sparse_categorical_crossentropy(labels, LOGITS, from_logits=True)
        np.testing.assert_allclose(found, expected, rtol=1e-13)
    np.testing.assert_allclose(
        nn.sparse_categorical_crossentropy(CLASSES, PROBABILITIES), expected, rtol=1e-6
    )
    for from_logits, output in ((True, LOGITS), (False, SOFT)):
        assert_traces(
            lambda t, y, flag=from_logits: nn.sparse_categorical_crossentropy(t, y, flag),
            CLASSES,
            output.astype(np.float32),
        )
        assert_gradients(
            lambda y, flag=from_logits: nn.sparse_categorical_crossentropy(CLASSES, y, flag), output
        )


def test_binary_crossentropy_of_probabilities(assert_traces: Any, assert_gradients: Any) -> None:
    expected = -(TARGETS * np.log(PROBABILITIES) + (1 - TARGETS) * np.log1p(-PROBABILITIES))
    np.testing.assert_allclose(nn.binary_crossentropy(TARGETS, PROBABILITIES), expected, rtol=1e-12)
    assert_traces(nn.binary_crossentropy, TARGETS.astype(np.float32), PROBABILITIES.astype(np.float32))
    assert_gradients(nn.binary_crossentropy, TARGETS, SOFT)
    ends = nn.binary_crossentropy(np.array([1, 0, 1, 0], np.float32), np.array([0, 1, 1, 0], np.float32))
    np.testing.assert_allclose(ends, [16.118095, 15.942385, 1.1920929e-07, 1.1920929e-07], rtol=1e-6)


@pytest.mark.parametrize("target", [0.0, 0.3, 1.0])
def test_binary_crossentropy_of_logits(target: float, assert_traces: Any, assert_gradients: Any) -> None:
    def loss(x: Any) -> Any:
        return nn.binary_crossentropy(np.full(x.shape, target, x.dtype), x, from_logits=True)

    x = EDGES.astype(np.float64)
    expected = -(target * scipy.special.log_expit(x) + (1 - target) * scipy.special.log_expit(-x))
    np.testing.assert_allclose(loss(x), expected, rtol=1e-12)
    np.testing.assert_allclose(loss(EDGES), expected, rtol=2e-6, atol=1e-37)
    assert_traces(loss, EDGES)
    assert_gradients(loss, SMOOTH)
    gradient = kerasflow.grad(lambda x: np.sum(loss(x)))(EDGES)
    np.testing.assert_allclose(gradient, _sigmoid(x) - target, rtol=1e-5, atol=1e-7)


def test_losses_compute_halves_in_float32() -> None:
    target, output = TARGETS.astype(np.float16), LOGITS.astype(np.float16)
    for function in (nn.categorical_crossentropy, nn.binary_crossentropy):
        assert function(target, output, from_logits=True).dtype == np.float16
    # 1 - 1e-7 is 1 in float16; in float32 its logarithm is not that of 0.
    assert np.isfinite(nn.binary_crossentropy(np.float16([0.0]), np.float16([1.0]))).all()


def test_losses_refuse_other_shapes() -> None:
    with pytest.raises(ValueError, match="must have the same shape"):
        nn.categorical_crossentropy(np.ones((2, 3)), np.ones((2, 4)))
    with pytest.raises(ValueError, match="must have the same shape"):
        nn.binary_crossentropy(np.ones(3), np.ones((3, 1)))
    with pytest.raises(ValueError, match="up until the last dimension"):
        nn.sparse_categorical_crossentropy(np.ones(3), np.ones((2, 4)))
    with pytest.raises(ValueError, match="at least rank 1"):
        nn.categorical_crossentropy(np.float32(1), np.float32(1))
    with pytest.raises(ValueError, match="at least rank 1"):
        nn.sparse_categorical_crossentropy(np.int32(1), np.float32(1))


# -- normalization, attention, rearrangement -----------------------------------------------------------------

BATCH = np.random.default_rng(2).normal(size=(3, 4, 2))


def test_moments(assert_traces: Any, assert_gradients: Any) -> None:
    mean, variance = assert_traces(lambda x: nn.moments(x, [0, 1]), BATCH)
    np.testing.assert_allclose(mean, BATCH.mean((0, 1)), rtol=1e-13)
    np.testing.assert_allclose(variance, BATCH.var((0, 1)), rtol=1e-13)
    assert nn.moments(BATCH, (0, 1), keepdims=True)[0].shape == (1, 1, 2)
    for i in (0, 1):
        assert_gradients(lambda x, i=i: nn.moments(x, [0, 1])[i], BATCH)
        # Of the gradient, too: the mean moves with x.
        gradient = kerasflow.grad(lambda x, i=i: np.sum(np.exp(nn.moments(x, [0, 1])[i])))
        assert_gradients(lambda x, gradient=gradient: gradient(x) * np.arange(24).reshape(x.shape), BATCH)
    # Numbers whose squares float16 cannot hold.
    mean, variance = nn.moments(np.array([300, 500], np.float16), [0])
    assert (mean, variance, variance.dtype) == (400, 10000, np.float16)
    with pytest.raises(NotImplementedError, match="synchronized"):
        nn.moments(BATCH, [0], synchronized=True)


@pytest.mark.parametrize("axis", [1, -1])
def test_batch_normalization(axis: int, assert_traces: Any, assert_gradients: Any) -> None:
    n = BATCH.shape[axis]
    mean, variance, offset, scale = np.random.default_rng(3).uniform(0.5, 2, size=(4, n))
    function = lambda x, m, v, o, s: nn.batch_normalization(x, m, v, axis, o, s)  # noqa: E731
    shape = [1, n, 1] if axis == 1 else [1, 1, n]
    m, v, o, s = (a.reshape(shape) for a in (mean, variance, offset, scale))
    expected = (BATCH - m) / np.sqrt(v + 1e-3) * s + o
    np.testing.assert_allclose(function(BATCH, mean, variance, offset, scale), expected, rtol=1e-10)
    np.testing.assert_allclose(
        nn.batch_normalization(BATCH, mean, variance, axis), (BATCH - m) / np.sqrt(v + 1e-3), rtol=1e-10
    )
    assert_traces(function, BATCH, mean, variance, offset, scale)
    assert_gradients(function, BATCH, mean, variance, offset, scale)


def test_psnr(assert_traces: Any) -> None:
    x, y = BATCH, BATCH + 0.1
    assert nn.psnr(x, y, 2.0) == pytest.approx(20 * np.log10(2 / 0.1))
    assert_traces(lambda x, y: nn.psnr(x, y, 2.0), x, y)
    with pytest.raises(ValueError, match="must match"):
        nn.psnr(x, y[:1], 2.0)


QUERY, KEY, VALUE = np.random.default_rng(4).normal(size=(3, 2, 3, 4, 2))
MASK = np.random.default_rng(5).random((2, 1, 3, 3)) > 0.4


def _attention(query: Any, key: Any, value: Any, allowed: Any, scale: float = 2**-0.5) -> Any:
    logits = np.einsum("btnh,bsnh->bnts", query, key) * scale
    weights = scipy.special.softmax(np.where(allowed, logits, -1e30), axis=-1)
    return np.einsum("bnts,bsnh->btnh", weights, value)


@pytest.mark.parametrize("is_causal", [False, True])
@pytest.mark.parametrize("masked", [False, True])
def test_attention(is_causal: bool, masked: bool, assert_traces: Any, assert_gradients: Any) -> None:
    function = lambda q, k, v: nn.dot_product_attention(  # noqa: E731
        q, k, v, mask=MASK if masked else None, is_causal=is_causal
    )
    allowed = np.ones((3, 3), bool) if not is_causal else np.tri(3, dtype=bool)
    allowed = allowed & MASK if masked else allowed
    rows = np.broadcast_to(allowed.any(-1, keepdims=True), (2, 4, 3, 1)).transpose(0, 2, 1, 3)
    result, expected = function(QUERY, KEY, VALUE), _attention(QUERY, KEY, VALUE, allowed)
    np.testing.assert_allclose(np.where(rows, result, 0), np.where(rows, expected, 0), rtol=1e-12)
    assert np.isfinite(result).all()
    assert_traces(function, QUERY, KEY, VALUE)
    assert_gradients(lambda *xs: function(*xs) * QUERY, QUERY, KEY, VALUE)


def test_attention_options() -> None:
    everywhere = np.ones((3, 3), bool)
    shared = nn.dot_product_attention(QUERY, KEY[:, :, :2], VALUE[:, :, :2], scale=0.3)
    repeated = _attention(QUERY, KEY[:, :, [0, 0, 1, 1]], VALUE[:, :, [0, 0, 1, 1]], everywhere, 0.3)
    np.testing.assert_allclose(shared, repeated, rtol=1e-12)
    assert (
        nn.dot_product_attention(*(x.astype(ml_dtypes.bfloat16) for x in (QUERY, KEY, VALUE))).dtype
        == "bfloat16"
    )
    with pytest.raises(ValueError, match="Flash attention"):
        nn.dot_product_attention(QUERY, KEY, VALUE, flash_attention=True)
    with pytest.raises(ValueError, match="only supports 4D"):
        nn.dot_product_attention(QUERY[0], KEY, VALUE)


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_depth_and_space(data_format: str, assert_traces: Any) -> None:
    x = np.arange(2 * 4 * 6 * 8).reshape(2, 4, 6, 8)
    spread = assert_traces(lambda x: nn.depth_to_space(x, 2, data_format), x)
    assert spread.shape == ((2, 8, 12, 2) if data_format == "channels_last" else (2, 1, 12, 16))
    np.testing.assert_array_equal(assert_traces(lambda x: nn.space_to_depth(x, 2, data_format), spread), x)


def test_one_hot_needs_a_number_of_classes_in_a_program(traced: Any) -> None:
    with pytest.raises(TracingError):
        traced(lambda x: nn.one_hot(x, None), np.array([1, 2]))
