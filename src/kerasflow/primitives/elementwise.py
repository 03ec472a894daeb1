"""Element-by-element operations: NumPy's ufuncs, and where, clip, astype, stop_gradient, the erf family."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

from kerasflow.graph import Primitive, ShapedArray

UNARY = (
    "negative absolute sign sqrt cbrt square reciprocal exp exp2 expm1 log log2 log10 log1p "
    "sin cos tan arcsin arccos arctan sinh cosh tanh arcsinh arccosh arctanh "
    "floor ceil trunc rint deg2rad rad2deg conjugate invert "
    "logical_not isnan isinf isfinite signbit spacing"
).split()

BINARY = (
    "add subtract multiply divide floor_divide remainder fmod power maximum minimum fmax fmin "
    "logaddexp logaddexp2 arctan2 hypot heaviside copysign nextafter ldexp gcd lcm "
    "bitwise_and bitwise_or bitwise_xor left_shift right_shift "
    "logical_and logical_or logical_xor "
    "equal not_equal less less_equal greater greater_equal"
).split()

# scipy.special's ufuncs, imported at their first evaluation.
SPECIAL = "erf erfc erfinv gammaln digamma i0 i1 ndtri".split()


def broadcast_shapes(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    """`np.broadcast_shapes`, without its limit of 32 dimensions' worth of overhead."""
    first = shapes[0]
    if all(shape == first or not shape for shape in shapes):
        return first
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        listed = ", ".join(map(str, shapes))
        raise ValueError(f"operands could not be broadcast together with shapes {listed}") from None


@functools.lru_cache(maxsize=4096)
def resolve_dtypes(ufunc: np.ufunc, dtypes: tuple[Any, ...], result: Any = None) -> tuple[np.dtype[Any], ...]:
    """The dtypes of a ufunc's loop: of each input, then of each output.

    Args:
        dtypes: a NumPy dtype for each input, or `int`, `float`, `complex` for a Python scalar (weakly typed).
        result: the dtype that the outputs must have; None to let the inputs decide.

    Raises:
        TypeError: if there is no such loop.
    """
    if all(isinstance(t, type) for t in dtypes):
        dtypes = tuple(np.dtype(t) for t in dtypes)
    strong = tuple(t for t in (*dtypes, result) if isinstance(t, np.dtype))
    extension = any(t.kind == "V" for t in strong)
    if extension:
        # To NumPy a Python float beside bfloat16 is a float32; to Keras, and here, it is as weak as elsewhere.
        # (A dtype equals the scalar that it is the dtype of: int64, or int32 on a machine of 32 bits, is `int`.)
        dtypes = tuple(np.result_type(*strong) if t is int or t is float else t for t in dtypes)
    signature = (*[None] * ufunc.nin, *[result] * ufunc.nout)
    try:
        return tuple(ufunc.resolve_dtypes((*dtypes, *[None] * ufunc.nout), signature=signature))
    except TypeError:
        if not extension:
            raise
    # Extension dtypes know no wished-for result.
    common = result or np.result_type(*strong)
    return tuple(ufunc.resolve_dtypes((*[common] * ufunc.nin, *[None] * ufunc.nout)))


def _ufunc_rule(ufunc: np.ufunc) -> Callable[..., ShapedArray]:
    def rule(*avals: ShapedArray) -> ShapedArray:
        shape = broadcast_shapes(*(a.shape for a in avals))
        return ShapedArray(shape, resolve_dtypes(ufunc, tuple(a.dtype for a in avals))[-1])

    return rule


def _from_ufunc(name: str) -> Primitive:
    ufunc = getattr(np, name)
    return Primitive(name, ufunc, _ufunc_rule(ufunc), elementwise=True)


def _from_special(name: str) -> Primitive:
    def evaluate(x: Any) -> Any:
        result = getattr(importlib.import_module("scipy.special"), name)(x)
        return result.astype(x.dtype)

    return Primitive(name, evaluate, lambda x: x, elementwise=True)


def _polygamma(x: Any, n: int) -> Any:
    from scipy.special import polygamma

    return np.asarray(polygamma(n, x)).astype(x.dtype)


def _gammainc(a: Any, x: Any) -> Any:
    from scipy.special import gammainc

    return np.asarray(gammainc(a, x)).astype(x.dtype)


def _gammainc_rule(a: ShapedArray, x: ShapedArray) -> ShapedArray:
    if a.dtype != x.dtype or a.dtype.kind not in "fV":
        raise ValueError(f"gammainc: operands of one floating dtype are needed, received {a} and {x}")
    return ShapedArray(broadcast_shapes(a.shape, x.shape), x.dtype)


def _where_rule(condition: ShapedArray, x: ShapedArray, y: ShapedArray) -> ShapedArray:
    if x.dtype != y.dtype:
        raise ValueError(f"where: branches have dtypes {x.dtype} and {y.dtype}")
    return ShapedArray(broadcast_shapes(condition.shape, x.shape, y.shape), x.dtype)


def _clip_rule(x: ShapedArray, low: ShapedArray, high: ShapedArray) -> ShapedArray:
    return ShapedArray(broadcast_shapes(x.shape, low.shape, high.shape), x.dtype)


# np.clip promotes bfloat16 to float32; NaN in x stays NaN in both forms.
def _clip(x: Any, low: Any, high: Any) -> Any:
    return np.minimum(np.maximum(x, low), high) if x.dtype.kind == "V" else np.clip(x, low, high)


def _logistic(x: Any) -> Any:
    with np.errstate(over="ignore"):  # An infinite exponential gives the 0 that is wanted.
        return np.reciprocal(np.exp(-x) + np.ones((), x.dtype))


def _astype(x: Any, dtype: np.dtype[Any]) -> Any:
    return np.asarray(x).astype(dtype)


# The n-th derivative of digamma.
polygamma = Primitive("polygamma", _polygamma, lambda x, n: x, elementwise=True)
# The distribution function of a gamma variate with parameter a, at x.
gammainc = Primitive("gammainc", _gammainc, _gammainc_rule, elementwise=True)
where = Primitive("where", np.where, _where_rule, elementwise=True)
clip = Primitive("clip", _clip, _clip_rule, elementwise=True)
# 1 / (1 + exp(-x)), to full relative precision also where that is small.
logistic = Primitive("logistic", _logistic, lambda x: x, elementwise=True)
astype = Primitive("astype", _astype, lambda x, dtype: ShapedArray(x.shape, dtype), elementwise=True)
# The identity whose derivative is zero; a fresh value for a variable that is read again after it was assigned.
stop_gradient = Primitive("stop_gradient", np.asarray, lambda x: x, view=True)
# The identity; a fresh value to differentiate with respect to.
identity = Primitive("identity", np.asarray, lambda x: x, view=True)

PRIMITIVES: tuple[Primitive, ...] = (
    *map(_from_ufunc, UNARY + BINARY),
    *map(_from_special, SPECIAL),
    polygamma,
    gammainc,
    where,
    clip,
    logistic,
    astype,
    stop_gradient,
    identity,
)
