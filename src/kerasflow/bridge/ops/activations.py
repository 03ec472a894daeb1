"""Activation functions.

Where a function is another one on each side of 0, it is written with the parts of
x: `positive` and `negative`, one of which is 0, and -|x|, which is their difference.
They are made by `where` and not by arithmetic such as `x - maximum(x, 0)`: that is
no number at infinity, nor is its derivative. At 0 itself `negative` has the
derivative 1 and `positive` 0, so that a function that is smooth there has its right
derivative. No exponential overflows.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from kerasflow.bridge.ops.precision import computed_in_float32, constant, floating
from kerasflow.bridge.ops.tensors import tensor
from kerasflow.tracing import apply


def parts(x: Any) -> tuple[Any, Any]:
    """`maximum(x, 0)` and `minimum(x, 0)`; at 0 the derivative belongs to the second."""
    zero = constant(0, x)
    above = x > zero
    return np.where(above, x, zero), np.where(above, zero, x)


# Of equal numbers `maximum` gives the second one: with the constant in front that is what NumPy's fast `clip` gives.
def relu(x: Any) -> Any:
    x = tensor(x)
    return np.maximum(constant(0, x), x)


def relu6(x: Any) -> Any:
    x = tensor(x)
    return np.minimum(constant(6, x), np.maximum(constant(0, x), x))


@computed_in_float32
def sigmoid(x: Any) -> Any:
    return apply("logistic", x)


@computed_in_float32
def sparse_sigmoid(x: Any) -> Any:
    return np.clip(x * 0.5 + 0.5, 0.0, 1.0)


@computed_in_float32
def tanh(x: Any) -> Any:
    return np.tanh(x)


@computed_in_float32
def tanh_shrink(x: Any) -> Any:
    return x - np.tanh(x)


@computed_in_float32
def softplus(x: Any) -> Any:
    # np.logaddexp(x, 0), several times faster.
    positive, negative = parts(x)
    return positive + np.log1p(np.exp(negative - positive))


@computed_in_float32
def softsign(x: Any) -> Any:
    return x / (np.absolute(x) + 1)


@computed_in_float32
def soft_shrink(x: Any, threshold: float = 0.5) -> Any:
    return x - np.clip(x, -threshold, threshold)


@computed_in_float32
def sparse_plus(x: Any) -> Any:
    # A parabola between -1 and 1, relu outside.
    return np.square(np.clip(x, -1.0, 1.0) + 1) * 0.25 + (np.maximum(x, 1.0) - 1)


@computed_in_float32
def silu(x: Any) -> Any:
    return x * sigmoid(x)


@computed_in_float32
def squareplus(x: Any, b: Any = 4) -> Any:
    return (x + np.sqrt(np.square(x) + tensor(b, x.dtype))) * 0.5


@computed_in_float32
def log_sigmoid(x: Any) -> Any:
    return -softplus(-x)


@computed_in_float32
def leaky_relu(x: Any, negative_slope: float = 0.2) -> Any:
    zero = constant(0, x)
    above = x >= zero  # At 0 the derivative is 1, as with JAX.
    return np.where(above, x, zero) + np.where(above, zero, x) * negative_slope


@computed_in_float32
def hard_sigmoid(x: Any) -> Any:
    return relu6(x + 3) * (1 / 6)


@computed_in_float32
def hard_silu(x: Any) -> Any:
    return x * hard_sigmoid(x)


@computed_in_float32
def elu(x: Any, alpha: float = 1.0) -> Any:
    positive, negative = parts(x)
    return positive + np.expm1(negative) * alpha


_SELU_ALPHA = 1.6732632423543772848170429916717
_SELU_SCALE = 1.0507009873554804934193349852946


@computed_in_float32
def selu(x: Any) -> Any:
    return elu(x, _SELU_ALPHA) * _SELU_SCALE


@computed_in_float32
def gelu(x: Any, approximate: bool = True) -> Any:
    if not approximate:
        return x * (apply("erf", x * math.sqrt(0.5)) * 0.5 + 0.5)
    inner = x * (np.square(x) * (0.044715 * math.sqrt(2 / math.pi)) + math.sqrt(2 / math.pi))
    return x * (np.tanh(inner) * 0.5 + 0.5)


@computed_in_float32
def celu(x: Any, alpha: float = 1.0) -> Any:
    positive, negative = parts(x)
    return positive + np.expm1(negative / alpha) * alpha


def glu(x: Any, axis: int = -1) -> Any:
    x = floating(x)
    if x.shape[axis] % 2:
        raise ValueError(f"axis size must be divisible by 2. Received: x.shape={x.shape} with axis={axis}")
    values, gates = np.split(x, 2, axis)
    return values * sigmoid(gates)


@computed_in_float32
def hard_tanh(x: Any) -> Any:
    return np.clip(x, -1.0, 1.0)


@computed_in_float32
def hard_shrink(x: Any, threshold: float = 0.5) -> Any:
    return np.where(np.absolute(x) > threshold, x, 0.0)


@computed_in_float32
def threshold(x: Any, threshold: float, default_value: float) -> Any:
    return np.where(x > threshold, x, default_value)


def _shifted(x: Any, axis: Any) -> Any:
    """x minus its maximum, so that exponentials do not overflow; no gradient flows through the maximum."""
    return x - apply("stop_gradient", np.max(x, axis=axis, keepdims=True))


@computed_in_float32
def softmax(x: Any, axis: Any = -1) -> Any:
    powers = np.exp(_shifted(x, axis))
    # The reciprocal of the few sums: cheaper than a division of all elements, and so is its derivative.
    return powers * np.reciprocal(np.sum(powers, axis=axis, keepdims=True))


@computed_in_float32
def log_softmax(x: Any, axis: Any = -1) -> Any:
    shifted = _shifted(x, axis)
    return shifted - np.log(np.sum(np.exp(shifted), axis=axis, keepdims=True))


@computed_in_float32
def sparsemax(x: Any, axis: int = -1) -> Any:
    """Sparsemax as Keras's backends define it.

    Their threshold adds up the running sums of the support, where the paper
    (Martins and Astudillo, 2016) takes the last one. With more than one element
    in the support the result does not sum to 1; models depend on the numbers.
    """
    ordered = np.flip(np.sort(x, axis=axis), axis)
    sums = np.cumsum(ordered, axis=axis)
    shape = [1] * x.ndim
    shape[axis] = -1
    ranks = np.arange(1, x.shape[axis] + 1, dtype=x.dtype).reshape(shape)
    support = ordered - (sums - 1) / ranks > 0
    count = np.sum(support, axis=axis, keepdims=True, dtype=x.dtype)
    threshold = (np.sum(np.where(support, sums, 0.0), axis=axis, keepdims=True) - 1) / count
    return np.maximum(x - threshold, 0.0)
