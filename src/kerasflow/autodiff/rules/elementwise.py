"""Derivatives of element-by-element operations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from kerasflow.tracing import Tracer, apply, cast


def _zero(g: Any) -> Any:
    return np.zeros((), g.dtype)


def _constant(value: float, like: Any) -> Any:
    return np.asarray(value, like.dtype)


def _extremum(wins: Callable[[Any, Any], Any]) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Derivatives of maximum and minimum: a tie between two variables is shared equally.

    A tie with a constant belongs to the constant, so that `maximum(x, 0)` has
    the derivative 0 at 0 that every Keras backend gives to relu.
    """

    def partial(g: Any, result: Any, mine: Any, other: Any) -> Any:
        if not isinstance(other, Tracer):
            return np.where(wins(result, other), g, _zero(g))
        share = np.where(mine == other, _constant(0.5, g), cast(wins(mine, other), g.dtype))
        return g * share

    return (
        lambda g, result, x, y: partial(g, result, x, y),
        lambda g, result, x, y: partial(g, result, y, x),
    )


def _power_base(g: Any, result: Any, x: Any, y: Any) -> Any:
    if not isinstance(y, Tracer) and y.size == 1:
        exponent = y.item()
        if exponent == 0:
            return np.zeros_like(g)
        if exponent == 1:
            return g
        if exponent == 2:
            return g * x * _constant(2, g)
    # Where the exponent is 0 the derivative is 0, also at x = 0.
    one_less = np.where(y == 0, _constant(1, g), y - _constant(1, g))
    return g * y * np.power(x, one_less)


def _power_exponent(g: Any, result: Any, x: Any, y: Any) -> Any:
    # log(x) is no number for x <= 0; where result is 0 the derivative is 0.
    safe = np.where(x > 0, x, _constant(1, g))
    return g * result * np.log(safe)


def _where_partial(chosen: bool) -> Callable[..., Any]:
    def partial(g: Any, result: Any, condition: Any, x: Any, y: Any) -> Any:
        return np.where(condition, g, _zero(g)) if chosen else np.where(condition, _zero(g), g)

    return partial


def _clip_x(g: Any, result: Any, x: Any, low: Any, high: Any) -> Any:
    """1 inside, bounds included."""
    return np.where(np.logical_and(x >= low, x <= high), g, _zero(g))


def _clip_low(g: Any, result: Any, x: Any, low: Any, high: Any) -> Any:
    return np.where(np.logical_and(x < low, low <= high), g, _zero(g))


def _clip_high(g: Any, result: Any, x: Any, low: Any, high: Any) -> Any:
    return np.where(np.logical_or(x > high, low > high), g, _zero(g))


def _gammaln(g: Any, result: Any, x: Any) -> Any:
    return g * apply("digamma", x)


def _i1(g: Any, result: Any, x: Any) -> Any:
    small = np.where(x == 0, _constant(1, g), x)
    return g * np.where(x == 0, _constant(0.5, g), apply("i0", x) - result / small)


def _not_minus_infinity(result: Any) -> Any:
    """Both operands of logaddexp may be log(0); infinity minus infinity is no number."""
    return np.where(result == -np.inf, _zero(result), result)


_TWO_OVER_ROOT_PI = 2 / np.sqrt(np.pi)
_LN2, _LN10 = np.log(2.0), np.log(10.0)

RULES: dict[str, Any] = {
    "negative": (lambda g, r, x: -g,),
    "absolute": (lambda g, r, x: g * np.sign(x),),
    "sqrt": (lambda g, r, x: g * _constant(0.5, g) / r,),
    "cbrt": (lambda g, r, x: g / (_constant(3, g) * np.square(r)),),
    "square": (lambda g, r, x: g * (x * _constant(2, g)),),
    "reciprocal": (lambda g, r, x: -g * np.square(r),),
    "exp": (lambda g, r, x: g * r,),
    "exp2": (lambda g, r, x: g * (r * _constant(_LN2, g)),),
    "expm1": (lambda g, r, x: g * (r + _constant(1, g)),),
    "log": (lambda g, r, x: g / x,),
    "log2": (lambda g, r, x: g / (x * _constant(_LN2, g)),),
    "log10": (lambda g, r, x: g / (x * _constant(_LN10, g)),),
    "log1p": (lambda g, r, x: g / (x + _constant(1, g)),),
    "sin": (lambda g, r, x: g * np.cos(x),),
    "cos": (lambda g, r, x: -g * np.sin(x),),
    "tan": (lambda g, r, x: g * (_constant(1, g) + np.square(r)),),
    "arcsin": (lambda g, r, x: g / np.sqrt(_constant(1, g) - np.square(x)),),
    "arccos": (lambda g, r, x: -g / np.sqrt(_constant(1, g) - np.square(x)),),
    "arctan": (lambda g, r, x: g / (_constant(1, g) + np.square(x)),),
    "sinh": (lambda g, r, x: g * np.cosh(x),),
    "cosh": (lambda g, r, x: g * np.sinh(x),),
    "tanh": (lambda g, r, x: g * (_constant(1, g) - np.square(r)),),
    "arcsinh": (lambda g, r, x: g / np.sqrt(np.square(x) + _constant(1, g)),),
    "arccosh": (lambda g, r, x: g / np.sqrt(np.square(x) - _constant(1, g)),),
    "arctanh": (lambda g, r, x: g / (_constant(1, g) - np.square(x)),),
    "deg2rad": (lambda g, r, x: g * _constant(np.pi / 180, g),),
    "rad2deg": (lambda g, r, x: g * _constant(180 / np.pi, g),),
    "conjugate": (lambda g, r, x: np.conjugate(g),),
    "erf": (lambda g, r, x: g * (_constant(_TWO_OVER_ROOT_PI, g) * np.exp(-np.square(x))),),
    "erfc": (lambda g, r, x: -g * (_constant(_TWO_OVER_ROOT_PI, g) * np.exp(-np.square(x))),),
    "erfinv": (lambda g, r, x: g * (_constant(1 / _TWO_OVER_ROOT_PI, g) * np.exp(np.square(r))),),
    "ndtri": (
        lambda g, r, x: g * (_constant(np.sqrt(2 * np.pi), g) * np.exp(np.square(r) * _constant(0.5, g))),
    ),
    "gammaln": (_gammaln,),
    "digamma": (lambda g, r, x: g * apply("polygamma", x, n=1),),
    "polygamma": (lambda g, r, x, n: g * apply("polygamma", x, n=n + 1),),
    "i0": (lambda g, r, x: g * apply("i1", x),),
    "i1": (_i1,),
    "add": (lambda g, r, x, y: g, lambda g, r, x, y: g),
    "subtract": (lambda g, r, x, y: g, lambda g, r, x, y: -g),
    "multiply": (lambda g, r, x, y: g * y, lambda g, r, x, y: g * x),
    "divide": (lambda g, r, x, y: g / y, lambda g, r, x, y: -g * r / y),
    "remainder": (lambda g, r, x, y: g, lambda g, r, x, y: -g * np.floor(x / y)),
    "fmod": (lambda g, r, x, y: g, lambda g, r, x, y: -g * np.trunc(x / y)),
    "power": (_power_base, _power_exponent),
    "maximum": _extremum(np.greater),
    "minimum": _extremum(np.less),
    "fmax": _extremum(np.greater),
    "fmin": _extremum(np.less),
    "logaddexp": (
        lambda g, r, x, y: g * np.exp(x - _not_minus_infinity(r)),
        lambda g, r, x, y: g * np.exp(y - _not_minus_infinity(r)),
    ),
    "logaddexp2": (
        lambda g, r, x, y: g * np.exp2(x - _not_minus_infinity(r)),
        lambda g, r, x, y: g * np.exp2(y - _not_minus_infinity(r)),
    ),
    "arctan2": (
        lambda g, r, x, y: g * y / (np.square(x) + np.square(y)),
        lambda g, r, x, y: -g * x / (np.square(x) + np.square(y)),
    ),
    "hypot": (lambda g, r, x, y: g * x / r, lambda g, r, x, y: g * y / r),
    "copysign": (lambda g, r, x, y: g * np.sign(x) * np.sign(r), lambda g, r, x, y: np.zeros_like(g)),
    "ldexp": (lambda g, r, x, y: np.ldexp(g, y), None),
    "where": (None, _where_partial(True), _where_partial(False)),
    "clip": (_clip_x, _clip_low, _clip_high),
    "astype": (lambda g, r, x, dtype: g,),
    "identity": (lambda g, r, x: g,),
}
