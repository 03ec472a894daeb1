"""Derivatives where something special happens: ties, kinks, zeros, repeated places, broadcasting, small dtypes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from kerasflow.autodiff import grad, value_and_grad
from kerasflow.autodiff.rules import RULES
from kerasflow.errors import GradientError
from kerasflow.testing import check_grads
from kerasflow.tracing import Tracer, apply


def gradient(function: Callable[..., Any], *args: Any) -> Any:
    """The gradient of the sum of a function of the first argument."""
    return grad(lambda *xs: np.sum(function(*xs)))(*(np.asarray(a) for a in args))


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        # A tie with a constant is the constant's (relu at 0), between elements it is shared.
        (lambda x: np.maximum(x, 0), [0, 0, 1, 1, 1]),
        (lambda x: np.maximum(0, x), [0, 0, 1, 1, 1]),
        (lambda x: np.minimum(x, 0), [1, 0, 0, 0, 0]),
        (lambda x: np.maximum(x, x), [1, 1, 1, 1, 1]),
        (lambda x: np.max(x), [0, 0, 0, 0.5, 0.5]),
        (lambda x: np.min(-x), [0, 0, 0, -0.5, -0.5]),
        (lambda x: np.max(np.reshape(x[1:], (2, 2)), axis=1), [0, 0, 1, 0.5, 0.5]),
        (lambda x: np.ptp(x), [-1, 0, 0, 0.5, 0.5]),
        (lambda x: np.absolute(x), [-1, 0, 1, 1, 1]),
        # Bounds belong to the inside.
        (lambda x: np.clip(x, 0, 2), [0, 1, 1, 1, 1]),
        (lambda x: np.clip(x, -5, 1), [1, 1, 1, 0, 0]),
        (lambda x: np.sign(x) * x, [-1, 0, 1, 1, 1]),
        (lambda x: np.floor(x) + x, [1, 1, 1, 1, 1]),
        (lambda x: x**2, [-2, 0, 2, 4, 4]),
        (lambda x: x**0, [0, 0, 0, 0, 0]),
        (lambda x: x**1, [1, 1, 1, 1, 1]),
        (lambda x: x**3, [3, 0, 3, 12, 12]),
        (lambda x: x ** np.array([2.0, 2.0, 3.0, 1.0, 0.0]), [-2, 0, 3, 1, 0]),
        (lambda x: np.prod(x), [0, -4, 0, 0, 0]),
        (lambda x: np.where(x > 0, x, -x), [-1, -1, 1, 1, 1]),
        (lambda x: np.sort(x)[-1:], [0, 0, 0, 0, 1]),
        (lambda x: apply("stop_gradient", x) * x, [-1, 0, 1, 2, 2]),
        (lambda x: x * x.astype(np.int32), [-1, 0, 1, 2, 2]),
        (lambda x: np.round(x) + 0 * x, [0, 0, 0, 0, 0]),
        (lambda x: np.logaddexp(-np.inf, np.where(x > 1, x, -np.inf)), [0, 0, 0, 1, 1]),
    ],
)
def test_kinks_and_ties(function: Callable[[Any], Any], expected: list[float]) -> None:
    found = gradient(function, np.array([-1.0, 0.0, 1.0, 2.0, 2.0]))
    np.testing.assert_array_equal(found, expected)


def test_a_tie_of_two_arrays_is_shared() -> None:
    x, y = np.array([1.0, 2.0, 3.0]), np.array([1.0, 3.0, 2.0])
    both = grad(lambda x, y: np.sum(np.maximum(x, y)), argnums=(0, 1))(x, y)
    np.testing.assert_array_equal(both, [[0.5, 0, 1], [0.5, 1, 0]])


@pytest.mark.parametrize(
    "function",
    [
        lambda x: np.where(x > 0, np.log(np.where(x > 0, x, 1.0)), 0.0),
        lambda x: np.where(x > 0, np.sqrt(np.where(x > 0, x, 1.0)), 0.0),
        lambda x: np.where(x == 0, 1.0, np.sin(x) / np.where(x == 0, 1.0, x)),
        lambda x: np.where(np.isnan(np.log(x)), 0.0, x),
        lambda x: np.nan_to_num(x / 1.0),
        lambda x: np.nansum(np.where(x < 0, np.nan, x) * 1.0),
    ],
)
def test_a_guarded_nan_does_not_leak(function: Callable[[Any], Any]) -> None:
    assert np.isfinite(gradient(function, np.array([-1.0, 0.0, 0.5]))).all()


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ((3, 4), (4,)),
        ((3, 1), (1, 4)),
        ((), (2, 3)),
        ((2, 3), (1, 1)),
        ((4,), (2, 1, 1)),
        ((0, 3), (1, 3)),
        ((1,), ()),
    ],
)
def test_broadcasting_is_undone(left: tuple[int, ...], right: tuple[int, ...]) -> None:
    x, y = np.full(left, 2.0, np.float32), np.full(right, 3.0, np.float32)
    size = np.broadcast(x, y).size
    gx, gy = grad(lambda x, y: np.sum(x * y), argnums=(0, 1))(x, y)
    assert (gx.shape, gx.dtype, gy.shape, gy.dtype) == (left, np.float32, right, np.float32)
    assert gx.sum() == 3 * size
    assert gy.sum() == 2 * size


def test_places_that_are_read_twice_count_twice() -> None:
    x = np.array([1.0, 2.0, 3.0])
    np.testing.assert_array_equal(gradient(lambda x: x[[0, 0, 1]], x), [2, 1, 0])
    np.testing.assert_array_equal(
        gradient(lambda x: x[np.array([-1, 2])] * np.array([1.0, 10.0]), x), [0, 0, 11]
    )
    np.testing.assert_array_equal(gradient(lambda x: np.take(x, [[1, 1], [1, 0]]), x), [1, 3, 0])
    np.testing.assert_array_equal(gradient(lambda x: np.repeat(x, [0, 2, 1]), x), [0, 2, 1])
    np.testing.assert_array_equal(gradient(lambda x: np.pad(x, 2, mode="reflect"), x), [2, 3, 2])
    rows = gradient(lambda x: np.take_along_axis(x, np.array([[0, 0], [1, 0]]), axis=1), np.eye(2))
    np.testing.assert_array_equal(rows, [[2, 0], [1, 1]])


def test_the_last_update_of_a_place_has_the_gradient() -> None:
    def function(x: Any, updates: Any) -> Any:
        return np.sum(
            apply("scatter", x, updates, np.array([1, 1, 0]), mode="set") * np.array([1.0, 2.0, 3.0])
        )

    gx, gu = grad(function, argnums=(0, 1))(np.zeros(3), np.ones(3))
    np.testing.assert_array_equal(gx, [0, 0, 3])
    np.testing.assert_array_equal(gu, [0, 2, 1])


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float32])
def test_gradients_have_the_dtype_of_the_operand(dtype: Any) -> None:
    x = np.array([0.5, 1.0, 2.0], dtype)
    seen = []

    def function(x: Any) -> Any:
        y = np.tanh(2 * x + 1) * np.float64(3) / 2.0 + np.maximum(x, 0) ** 2 - np.exp(-x).astype(np.float32)
        z = np.tanh(2 * x + 1) / 2.0 + np.maximum(x, 0) ** 2
        seen.append(z.dtype)
        return np.sum(y).astype(np.float64) + np.sum(z, dtype=np.float32)

    assert grad(function)(x).dtype == dtype
    assert seen == [dtype]


def test_a_gradient_is_a_program_again() -> None:
    third = grad(grad(grad(lambda x: np.tanh(x))))
    x = 0.3
    t = np.tanh(x)
    np.testing.assert_allclose(third(np.array(x)), -2 * (1 - t**2) * (1 - 3 * t**2), rtol=1e-12)
    hessian_row = grad(lambda x: grad(lambda x: np.sum(x**3 * x[::-1]))(x)[0])
    np.testing.assert_allclose(hessian_row(np.array([2.0, 5.0])), [6 * 2 * 5, 3 * 4 + 3 * 25])


def test_custom_vjp_is_taken_instead() -> None:
    def rounded(x: Any) -> Any:
        (result,) = apply("custom_vjp", x, np.round(x), outputs=1, vjp=lambda g: [g * 10])
        return result

    value, found = value_and_grad(lambda x: np.sum(rounded(x) * 2))(np.array([0.4, 1.6]))
    assert value == 4.0
    np.testing.assert_array_equal(found, [20, 20])


def test_custom_vjp_of_several_results() -> None:
    def function(x: Any, y: Any) -> Any:
        a, b = apply("custom_vjp", x, y, x + y, x * y, outputs=2, vjp=lambda ga, gb: [ga, 3 * gb])
        return np.sum(a) + 2 * np.sum(b)

    gx, gy = grad(function, argnums=(0, 1))(np.ones(2), np.ones(2))
    np.testing.assert_array_equal(gx, [1, 1])
    np.testing.assert_array_equal(gy, [6, 6])


def test_integers_have_no_gradient() -> None:
    with pytest.raises(GradientError, match="int64"):
        grad(lambda x: np.sum(x))(np.arange(3, dtype=np.int64))
    with pytest.raises(GradientError, match="scalar"):
        grad(lambda x: x * 2)(np.ones(3))


def test_a_primitive_without_rule_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(RULES, "tanh")  # all have one: as if it were a new primitive
    with pytest.raises(GradientError, match="tanh"):
        grad(lambda x: np.sum(np.tanh(x)))(np.ones(3))


def test_the_checker_takes_any_function() -> None:
    x, w = np.random.default_rng(0).normal(size=(2, 3, 3))
    check_grads(lambda x, w: (np.tanh(x @ w), np.sum(x) ** 2), [x, w])
    check_grads(lambda x, i: x[i] ** 2, [x, np.array([0, 0, 2])])
    check_grads(lambda x: np.exp(x) * x, [x.astype(np.float32)], complex_step=True)

    def wrong(x: Any) -> Any:
        if not isinstance(x, Tracer):
            return 2 * x
        return apply("custom_vjp", x, 2 * x, outputs=1, vjp=lambda g: [2.002 * g])[0]

    with pytest.raises(AssertionError, match="order 1 with respect to argument 0: 9 of 9 elements are wrong"):
        check_grads(wrong, [x])


def test_the_checker_looks_at_second_derivatives() -> None:
    def wrong(x: Any) -> Any:
        """Right first derivative of exp, which claims to be constant."""
        if not isinstance(x, Tracer):
            return np.exp(x)
        frozen = apply("stop_gradient", np.exp(x))
        return apply("custom_vjp", x, np.exp(x), outputs=1, vjp=lambda g: [g * frozen])[0]

    check_grads(wrong, [np.ones(2)], order=1)
    with pytest.raises(AssertionError, match="order 2"):
        check_grads(wrong, [np.ones(2)], order=2)


@pytest.mark.parametrize("n", [0, 1, 2, 3, 5, 8, 9])
def test_running_products(n: int) -> None:
    """Zeros, none to three in a row, are no division by zero."""
    x = np.random.default_rng(n).normal(size=(4, n))
    for zeros, row in enumerate(x):
        row[1 : 1 + zeros] = 0
    g = np.random.default_rng(0).normal(size=x.shape)
    expected = np.zeros_like(x)
    for i in range(n):
        for j in range(i, n):
            expected[:, i] += g[:, j] * np.prod(np.delete(x[:, : j + 1], i, axis=1), axis=1)
    np.testing.assert_allclose(gradient(lambda x: np.cumprod(x, axis=1) * g, x), expected, atol=1e-12)


def test_a_running_products_derivative_takes_memory_of_its_own_size() -> None:
    """A table of all pairs, or triples, of a hundred thousand elements would not fit into any machine."""
    x = np.full(100_000, 1.0)
    x[-1] = 0
    np.testing.assert_allclose(gradient(np.cumprod, x)[[0, 1, -1]], [99_999, 99_998, 1])
