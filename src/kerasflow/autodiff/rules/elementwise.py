"""Derivatives of element-by-element operations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from kerasflow.autodiff.joint import Joint
from kerasflow.autodiff.rules.complex import conj
from kerasflow.tracing import Tracer, apply, cast


def _zero(g: Any) -> Any:
    return np.zeros((), g.dtype)


def _constant(value: float, like: Any) -> Any:
    return np.asarray(value, like.dtype)


def _extremum(wins: Callable[[Any, Any], Any], skips_nan: bool = False) -> Joint:
    """Derivatives of maximum and minimum: a tie between two variables is shared equally.

    A tie with an operand that is not differentiated belongs to that, so that `maximum(x, 0)` has the derivative 0 at 0
    that every Keras backend gives to relu.
    """

    def partial(g: Any, result: Any, mine: Any, other: Any, shared: bool) -> Any:
        won = wins(mine if shared else result, other)
        if skips_nan:
            won = np.logical_or(won, np.isnan(other))
        if not shared:
            return np.where(won, g, _zero(g))
        return g * np.where(mine == other, _constant(0.5, g), cast(won, g.dtype))

    def function(gs: Any, results: Any, operands: Any, wanted: Any) -> list[Any]:
        (g,), (result,), (x, y) = gs, results, operands
        return [
            partial(g, result, mine, other, all(wanted)) if want else None
            for want, mine, other in zip(wanted, (x, y), (y, x), strict=True)
        ]

    return Joint(function)


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
    # log(x) is no number for real x <= 0; where result is 0 the derivative is 0.
    safe = np.where(x != 0 if x.dtype.kind == "c" else x > 0, x, _constant(1, g))
    return g * result * np.log(safe)


def _absolute(g: Any, result: Any, x: Any) -> Any:
    if x.dtype.kind != "c":
        return g * np.sign(x)
    return g / _nonzero(result) * np.conjugate(x)


def _sign(g: Any, result: Any, x: Any) -> Any:
    """Of complex numbers, x / |x|; piecewise constant for real ones."""
    if x.dtype.kind != "c":
        return None
    size = np.absolute(x)
    return np.where(size == 0, _zero(g), (g - np.real(g * result) * np.conjugate(result)) / _nonzero(size))


def _nonzero(x: Any) -> Any:
    return np.where(x == 0, np.ones((), x.dtype), x)


def _arccosh(g: Any, result: Any, x: Any) -> Any:
    one = _constant(1, g)
    if x.dtype.kind == "c":  # On the left half-plane √(x² - 1) is the other root.
        return g / (np.sqrt(x - one) * np.sqrt(x + one))
    return g / np.sqrt(np.square(x) - one)


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


def _gamma_density(a: Any, x: Any) -> Any:
    """Of a gamma variate with parameter a, at x; also at zero, where 0 * log(0) would be NaN."""
    one = _constant(1, x)
    power = np.where(a == one, _zero(x), (a - one) * np.log(x))
    return np.exp(power - x - apply("gammaln", a))


def _gammainc_a(g: Any, result: Any, a: Any, x: Any) -> Any:
    """How far a change of a moves the variate, against the density there."""
    inside = np.logical_and(x > 0, x < _constant(np.inf, x))
    z = np.where(inside, x, a)
    moved = apply("random_gamma_grad", a + _zero(z), z)
    return np.where(inside, -g * moved * _gamma_density(a, z), _zero(g))


def _i1(g: Any, result: Any, x: Any) -> Any:
    small = np.where(x == 0, _constant(1, g), x)
    return g * np.where(x == 0, _constant(0.5, g), apply("i0", x) - result / small)


def _share(x: Any, result: Any) -> Any:
    """`x - result` for logaddexp: what exceeds all numbers counts as the largest, so that no infinities meet."""
    limit = np.finfo(x.dtype).max if x.dtype.kind == "f" else 3e38  # of bfloat16
    return np.minimum(_constant(limit, x), x) - np.clip(result, _constant(-limit, x), _constant(limit, x))


_TWO_OVER_ROOT_PI = 2 / np.sqrt(np.pi)
_LN2, _LN10 = np.log(2.0), np.log(10.0)

RULES: dict[str, Any] = {
    "negative": (lambda g, r, x: -g,),
    "absolute": (_absolute,),
    "sign": (_sign,),
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
    "logistic": (lambda g, r, x: g * (r * (_constant(1, g) - r)),),
    "arcsinh": (lambda g, r, x: g / np.sqrt(np.square(x) + _constant(1, g)),),
    "arccosh": (_arccosh,),
    "arctanh": (lambda g, r, x: g / (_constant(1, g) - np.square(x)),),
    "deg2rad": (lambda g, r, x: g * _constant(np.pi / 180, g),),
    "rad2deg": (lambda g, r, x: g * _constant(180 / np.pi, g),),
    "conjugate": (lambda g, r, x: conj(g),),
    "erf": (lambda g, r, x: g * (_constant(_TWO_OVER_ROOT_PI, g) * np.exp(-np.square(x))),),
    "erfc": (lambda g, r, x: -g * (_constant(_TWO_OVER_ROOT_PI, g) * np.exp(-np.square(x))),),
    "erfinv": (lambda g, r, x: g * (_constant(1 / _TWO_OVER_ROOT_PI, g) * np.exp(np.square(r))),),
    "ndtri": (
        lambda g, r, x: g * (_constant(np.sqrt(2 * np.pi), g) * np.exp(np.square(r) * _constant(0.5, g))),
    ),
    "gammaln": (_gammaln,),
    "digamma": (lambda g, r, x: g * apply("polygamma", x, n=1),),
    "polygamma": (lambda g, r, x, n: g * apply("polygamma", x, n=n + 1),),
    "gammainc": (_gammainc_a, lambda g, r, a, x: g * _gamma_density(a, x)),
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
    "fmax": _extremum(np.greater, skips_nan=True),
    "fmin": _extremum(np.less, skips_nan=True),
    "heaviside": (
        lambda g, r, x, y: np.zeros_like(g),
        lambda g, r, x, y: np.where(x == 0, g, _zero(g)),
    ),
    "logaddexp": (
        lambda g, r, x, y: g * np.exp(_share(x, r)),
        lambda g, r, x, y: g * np.exp(_share(y, r)),
    ),
    "logaddexp2": (
        lambda g, r, x, y: g * np.exp2(_share(x, r)),
        lambda g, r, x, y: g * np.exp2(_share(y, r)),
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
