"""NumPy's ufuncs, SciPy's special functions, and where, clip, astype."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from kerasflow.primitives.elementwise import resolve_dtypes
from kerasflow_tensorflow.dtypes import HALF, INTEGERS, SMALL, Lowering, Tensor, numpy_dtype, via

# -- parts of numbers ---------------------------------------------------------------------------------------


def _is_float(x: Tensor) -> bool:
    return bool(x.dtype.is_floating)


def _no(x: Tensor) -> Tensor:
    """False for each element."""
    return tf.zeros(tf.shape(x), tf.bool)


def _of_parts(function: Lowering, combine: Lowering) -> Lowering:
    """A question about a complex number's parts."""

    def lowered(x: Tensor) -> Tensor:
        if x.dtype.is_complex:
            return combine(lowered(tf.math.real(x)), lowered(tf.math.imag(x)))
        return function(x)

    return lowered


def _questions(function: Lowering, answer: bool) -> Lowering:
    """What is asked of floats; of integers the answer is known."""
    asked = via(function, HALF)
    return _of_parts(
        lambda x: asked(x) if _is_float(x) else tf.fill(tf.shape(x), answer),
        tf.logical_and if answer else tf.logical_or,
    )


_isnan = _questions(tf.math.is_nan, False)
_isinf = _questions(tf.math.is_inf, False)
_isfinite = _questions(tf.math.is_finite, True)


def _signbit(x: Tensor) -> Tensor:
    if not _is_float(x):
        return _no(x) if x.dtype.is_unsigned or x.dtype == tf.bool else x < 0
    word = {2: tf.int16, 4: tf.int32, 8: tf.int64}[x.dtype.size]
    return tf.cast(tf.bitcast(x, word), tf.int64) < 0


def _each_part(function: Lowering) -> Lowering:
    """A function of real numbers; of complex ones it is taken part by part."""

    def lowered(x: Tensor) -> Tensor:
        if x.dtype.is_complex:
            return tf.complex(function(tf.math.real(x)), function(tf.math.imag(x)))
        return function(x)

    return lowered


def _whole(function: Lowering) -> Lowering:
    """A way of rounding; integers are whole already."""
    return lambda x: function(x) if _is_float(x) else x


def _with_sign(size: Tensor, x: Tensor) -> Tensor:
    """A number of this size and the sign of x, that of a zero too."""
    size = tf.abs(size)
    return tf.where(_signbit(x), -size, size)


def _trunc(x: Tensor) -> Tensor:
    return _with_sign(tf.floor(tf.abs(x)), x)


def _absolute(x: Tensor) -> Tensor:
    if x.dtype.is_complex:
        # TensorFlow's own overflows to NaN where a part is infinite.
        parts = tf.math.real(x), tf.math.imag(x)
        return _hypot(*parts)
    return x if x.dtype.is_unsigned or x.dtype == tf.bool else tf.abs(x)


def _sign(x: Tensor) -> Tensor:
    if x.dtype.is_complex:
        infinite = _isinf(x)  # Beside an infinite part the other one counts for nothing.
        parts = (
            tf.where(infinite, tf.where(_isinf(p), tf.sign(p), tf.zeros_like(p)), p)
            for p in (tf.math.real(x), tf.math.imag(x))
        )
        x = tf.complex(*parts)
        size = tf.complex(_absolute(x), tf.zeros_like(tf.math.real(x)))
        return tf.where(x == 0, x, x / size)
    if x.dtype.is_unsigned:
        return tf.cast(x != 0, x.dtype)
    return tf.where(_isnan(x), x, tf.sign(x)) if _is_float(x) else tf.sign(x)


# -- functions of one number --------------------------------------------------------------------------------


def _cbrt(x: Tensor) -> Tensor:
    size = tf.abs(x)
    root = tf.pow(size, tf.constant(1 / 3, x.dtype))
    # One step of Newton's takes the last bits; zero and infinity are their own roots.
    better = root - (root - size / (root * root)) / 3
    return _with_sign(tf.where(_isfinite(better), better, root), x)


def _reciprocal(x: Tensor) -> Tensor:
    if _is_float(x) or x.dtype.is_complex:
        return tf.math.reciprocal(x)
    return tf.where(tf.abs(x) == 1, x, tf.zeros_like(x))


def _scaled(function: Lowering, factor: float) -> Lowering:
    return lambda x: function(x) * tf.constant(factor, x.dtype)


def _exp2(x: Tensor) -> Tensor:
    return (
        tf.exp(x * tf.constant(math.log(2), x.dtype))
        if x.dtype.is_complex
        else tf.pow(tf.constant(2, x.dtype), x)
    )


def _of_complex(function: Lowering, analytic: Lowering) -> Lowering:
    """A function, and another way to compute it for complex numbers."""
    return lambda x: analytic(x) if x.dtype.is_complex else function(x)


def _i(x: Tensor) -> Tensor:
    """The imaginary unit, in x's dtype."""
    return tf.constant(1j, x.dtype)


def _log1p(x: Tensor) -> Tensor:
    return tf.math.log(1 + x)


def _expm1(x: Tensor) -> Tensor:
    return tf.exp(x / 2) * 2 * tf.sinh(x / 2)


def _arcsinh(x: Tensor) -> Tensor:
    return tf.math.log(x + tf.sqrt(x * x + 1))


def _arccosh(x: Tensor) -> Tensor:
    return tf.math.log(x + tf.sqrt(x + 1) * tf.sqrt(x - 1))


def _arctanh(x: Tensor) -> Tensor:
    return (tf.math.log(1 + x) - tf.math.log(1 - x)) / 2


def _arcsin(x: Tensor) -> Tensor:
    return -_i(x) * _arcsinh(_i(x) * x)


def _arccos(x: Tensor) -> Tensor:
    return tf.constant(math.pi / 2, x.dtype) - _arcsin(x)


def _arctan(x: Tensor) -> Tensor:
    return -_i(x) * _arctanh(_i(x) * x)


def _spacing(x: Tensor) -> Tensor:
    size = tf.abs(x)
    step = _nextafter(size, tf.fill(tf.shape(x), tf.constant(np.inf, x.dtype))) - size
    return step if x.dtype == tf.float16 else _with_sign(step, x)  # NumPy's float16 has no sign here.


def _erf(x: Tensor) -> Tensor:
    # Of an infinite float64 TensorFlow's is NaN; from 6 on it is 1.
    return tf.math.erf(
        tf.where(tf.abs(x) > 6, _with_sign(tf.fill(tf.shape(x), tf.constant(6, x.dtype)), x), x)
    )


def _gammaln(x: Tensor) -> Tensor:
    return tf.where(x == -np.inf, x, tf.math.lgamma(x))


def _digamma(x: Tensor) -> Tensor:
    return tf.where(x == 0, -1 / x, tf.math.digamma(x))


# -- functions of two numbers -------------------------------------------------------------------------------


def _gammainc(a: Tensor, x: Tensor) -> Tensor:
    # TensorFlow's is NaN where either is zero or infinite: then all of the distribution is below x, or nothing.
    usual = (a > 0) & (x > 0) & tf.math.is_finite(a) & tf.math.is_finite(x)
    one, known = tf.ones((), x.dtype), (a >= 0) & (x >= 0) & (a != x)
    found = tf.math.igamma(tf.where(usual, a, one), tf.where(usual, x, one))
    return tf.where(usual, found, tf.where(known, tf.cast(x > a, x.dtype), one * np.nan))


def _nextafter(x: Tensor, y: Tensor) -> Tensor:
    if x.dtype.size > 2:
        return tf.math.nextafter(x, y)
    # Of the bits, read as an integer: away from zero is one more.
    x, y = x + tf.zeros_like(y), y + tf.zeros_like(x)
    bits = tf.cast(tf.bitcast(x, tf.int16), tf.int32)
    away = (y > x) == (x > 0)
    stepped = tf.bitcast(tf.cast(tf.where(away, bits + 1, bits - 1), tf.int16), x.dtype)
    least = tf.bitcast(tf.constant(1, tf.int16), x.dtype)
    stepped = tf.where(x == 0, tf.where(y > 0, least, -least), stepped)
    return tf.where(_isnan(x) | _isnan(y), x + y, tf.where(x == y, y, stepped))


def _lexicographic(real: Lowering, first: Lowering) -> Lowering:
    """A comparison; complex numbers are compared by their real parts first."""

    def lowered(x: Tensor, y: Tensor) -> Tensor:
        if x.dtype == tf.bool:
            x, y = tf.cast(x, tf.uint8), tf.cast(y, tf.uint8)
        if not x.dtype.is_complex:
            return real(x, y)
        (a, b), (c, d) = ((tf.math.real(z), tf.math.imag(z)) for z in (x, y))
        return first(a, c) | ((a == c) & real(b, d))

    return lowered


_less = _lexicographic(tf.less, tf.less)
_greater = _lexicographic(tf.greater, tf.greater)
_less_equal = _lexicographic(tf.less_equal, tf.less)
_greater_equal = _lexicographic(tf.greater_equal, tf.greater)


def _extremum(own: Lowering, wins: Lowering) -> Lowering:
    """The larger or the smaller of two numbers; a NaN wins."""

    def lowered(x: Tensor, y: Tensor) -> Tensor:
        if not x.dtype.is_complex:
            return own(x, y)
        chosen = tf.where(wins(x, y), x, y)
        return tf.where(_isnan(x), x, tf.where(_isnan(y), y, chosen))

    return lowered


def _without_nan(extremum: Lowering) -> Lowering:
    """The larger or the smaller of two numbers; a NaN loses."""

    def lowered(x: Tensor, y: Tensor) -> Tensor:
        return tf.where(_isnan(x), y, tf.where(_isnan(y), x, extremum(x, y)))

    return lowered


_maximum, _minimum = _extremum(tf.maximum, _greater_equal), _extremum(tf.minimum, _less_equal)


def _nonzero(y: Tensor) -> Tensor:
    return tf.where(y == 0, tf.ones_like(y), y)


def _floor_divide(x: Tensor, y: Tensor) -> Tensor:
    if not _is_float(x):  # A division by zero gives zero.
        return tf.where(y == 0, tf.zeros_like(x), tf.math.floordiv(x, _nonzero(y)))
    rest = tf.truncatemod(x, y)
    quotient = (x - rest) / y
    quotient = tf.where((rest != 0) & ((rest < 0) != (y < 0)), quotient - 1, quotient)
    floor = tf.floor(quotient)
    floor = tf.where(quotient - floor > 0.5, floor + 1, floor)
    floor = tf.where(quotient == 0, _with_sign(tf.zeros_like(quotient), x / y), floor)
    return tf.where(y == 0, x / y, floor)


def _remainder(x: Tensor, y: Tensor) -> Tensor:
    if not _is_float(x):
        return tf.where(y == 0, tf.zeros_like(x), tf.math.floormod(x, _nonzero(y)))
    rest = tf.truncatemod(x, y)
    return tf.where(
        rest == 0,
        _with_sign(tf.zeros_like(rest), y + tf.zeros_like(rest)),
        tf.where((rest < 0) != (y < 0), rest + y, rest),
    )


def _fmod(x: Tensor, y: Tensor) -> Tensor:
    if not _is_float(x):
        return tf.where(y == 0, tf.zeros_like(x), tf.truncatemod(x, _nonzero(y)))
    return tf.truncatemod(x, y)


def _logaddexp(x: Tensor, y: Tensor) -> Tensor:
    larger, distance = tf.maximum(x, y), tf.abs(x - y)
    found = larger + tf.math.log1p(tf.exp(-distance))
    return tf.where(x == y, x + tf.constant(math.log(2), x.dtype), found)


def _logaddexp2(x: Tensor, y: Tensor) -> Tensor:
    larger, distance = tf.maximum(x, y), tf.abs(x - y)
    found = larger + tf.math.log1p(tf.pow(tf.constant(2, x.dtype), -distance)) / math.log(2)
    return tf.where(x == y, x + 1, found)


def _hypot(x: Tensor, y: Tensor) -> Tensor:
    x, y = tf.abs(x), tf.abs(y)
    larger, smaller = tf.maximum(x, y), tf.minimum(x, y)
    ratio = smaller / _nonzero(larger)
    found = larger * tf.sqrt(1 + ratio * ratio)
    infinite = tf.fill(tf.shape(found), tf.constant(np.inf, x.dtype))
    found = tf.where(_isnan(x) | _isnan(y), x + y, found)
    return tf.where(_isinf(x) | _isinf(y), infinite, found)


def _heaviside(x: Tensor, y: Tensor) -> Tensor:
    step = tf.where(x == 0, y, tf.cast(x > 0, x.dtype) + tf.zeros_like(y))
    return tf.where(_isnan(x), x + tf.zeros_like(y), step)


def _copysign(x: Tensor, y: Tensor) -> Tensor:
    shape = tf.broadcast_dynamic_shape(tf.shape(x), tf.shape(y))
    return _with_sign(tf.broadcast_to(x, shape), tf.broadcast_to(y, shape))


def _ldexp(x: Tensor, n: Tensor) -> Tensor:
    return x * tf.pow(tf.constant(2, x.dtype), tf.cast(n, x.dtype))


def _gcd(x: Tensor, y: Tensor) -> Tensor:
    shape = tf.broadcast_dynamic_shape(tf.shape(x), tf.shape(y))
    x, y = tf.abs(tf.broadcast_to(x, shape)), tf.abs(tf.broadcast_to(y, shape))
    found, _ = tf.while_loop(
        lambda a, b: tf.reduce_any(b != 0),
        lambda a, b: (tf.where(b == 0, a, b), tf.where(b == 0, b, tf.math.floormod(a, _nonzero(b)))),
        (x, y),
    )
    return found


def _lcm(x: Tensor, y: Tensor) -> Tensor:
    return tf.abs(tf.math.floordiv(x, _nonzero(_gcd(x, y))) * y)


def _all_signs(x: Tensor) -> Tensor:
    """What is left of a number when all its bits have gone out on the right."""
    return tf.zeros_like(x) if x.dtype.is_unsigned else tf.where(x < 0, -tf.ones_like(x), tf.zeros_like(x))


def _shifted(function: Lowering, far: Callable[[Tensor], Tensor]) -> Lowering:
    """A shift; by the number of bits or more is NumPy's to define."""

    def lowered(x: Tensor, n: Tensor) -> Tensor:
        bits = 8 * x.dtype.size
        inside = (n >= 0) & (n < tf.constant(bits, n.dtype))
        return tf.where(inside, function(x, tf.where(inside, n, tf.zeros_like(n))), far(x))

    return lowered


def _of_bool(boolean: Lowering, bits: Lowering) -> Lowering:
    return lambda *xs: boolean(*xs) if xs[0].dtype == tf.bool else bits(*xs)


UFUNCS: dict[str, Lowering] = {
    "negative": via(tf.negative, INTEGERS),
    "absolute": _absolute,
    "sign": via(_sign, HALF),
    "sqrt": tf.sqrt,
    "cbrt": via(_cbrt, HALF),
    "square": via(tf.square, INTEGERS),
    "reciprocal": via(_reciprocal, SMALL),
    "exp": tf.exp,
    "exp2": via(_exp2, HALF),
    "expm1": _of_complex(tf.math.expm1, _expm1),
    "log": tf.math.log,
    "log2": via(_scaled(tf.math.log, 1 / math.log(2)), HALF),
    "log10": via(_scaled(tf.math.log, 1 / math.log(10)), HALF),
    "log1p": _of_complex(tf.math.log1p, _log1p),
    "sin": tf.sin,
    "cos": tf.cos,
    "tan": via(tf.tan, HALF),
    "arcsin": via(_of_complex(tf.asin, _arcsin), HALF),
    "arccos": via(_of_complex(tf.acos, _arccos), HALF),
    "arctan": via(_of_complex(tf.atan, _arctan), HALF),
    "sinh": via(tf.sinh, HALF),
    "cosh": via(tf.cosh, HALF),
    "tanh": tf.tanh,
    "arcsinh": via(_of_complex(tf.asinh, _arcsinh), HALF),
    "arccosh": via(_of_complex(tf.acosh, _arccosh), HALF),
    "arctanh": via(_of_complex(tf.atanh, _arctanh), HALF),
    "floor": _whole(tf.floor),
    "ceil": _whole(tf.math.ceil),
    "trunc": _whole(_trunc),
    "rint": _each_part(_whole(tf.round)),
    "deg2rad": via(lambda x: x * tf.constant(math.pi / 180, x.dtype), HALF),
    "rad2deg": via(lambda x: x * tf.constant(180 / math.pi, x.dtype), HALF),
    "conjugate": lambda x: tf.math.conj(x) if x.dtype.is_complex else x,
    "invert": _of_bool(tf.logical_not, tf.bitwise.invert),
    "logical_not": lambda x: x == tf.zeros_like(x),
    "isnan": _isnan,
    "isinf": _isinf,
    "isfinite": _isfinite,
    "signbit": _signbit,
    "spacing": _spacing,
    "add": via(tf.add, SMALL),
    "subtract": via(tf.subtract, SMALL),
    "multiply": via(tf.multiply, SMALL),
    "divide": tf.divide,
    "floor_divide": via(_floor_divide, {**SMALL, **HALF}),
    "remainder": via(_remainder, {**SMALL, **HALF}),
    "fmod": via(_fmod, {**SMALL, **HALF}),
    "power": via(tf.pow, {**SMALL, **HALF}),
    "maximum": via(_maximum, SMALL),
    "minimum": via(_minimum, SMALL),
    "fmax": via(_without_nan(_maximum), SMALL),
    "fmin": via(_without_nan(_minimum), SMALL),
    "logaddexp": via(_logaddexp, HALF),
    "logaddexp2": via(_logaddexp2, HALF),
    "arctan2": via(tf.atan2, HALF),
    "hypot": via(_hypot, HALF),
    "heaviside": via(_heaviside, HALF),
    "copysign": _copysign,
    "nextafter": _nextafter,
    "ldexp": _ldexp,
    "gcd": via(_gcd, INTEGERS),
    "lcm": via(_lcm, INTEGERS),
    "bitwise_and": _of_bool(tf.logical_and, tf.bitwise.bitwise_and),
    "bitwise_or": _of_bool(tf.logical_or, tf.bitwise.bitwise_or),
    "bitwise_xor": _of_bool(tf.math.logical_xor, tf.bitwise.bitwise_xor),
    "left_shift": _shifted(tf.bitwise.left_shift, tf.zeros_like),
    "right_shift": _shifted(tf.bitwise.right_shift, _all_signs),
    "logical_and": lambda x, y: tf.logical_and(tf.cast(x, tf.bool), tf.cast(y, tf.bool)),
    "logical_or": lambda x, y: tf.logical_or(tf.cast(x, tf.bool), tf.cast(y, tf.bool)),
    "logical_xor": lambda x, y: tf.math.logical_xor(tf.cast(x, tf.bool), tf.cast(y, tf.bool)),
    "equal": tf.equal,
    "not_equal": tf.not_equal,
    "less": _less,
    "less_equal": _less_equal,
    "greater": _greater,
    "greater_equal": _greater_equal,
}


def ufunc(name: str, function: Lowering) -> Lowering:
    """A ufunc: its operands in the dtypes of NumPy's inner loop, and so its result."""

    def lowered(*xs: Tensor) -> Tensor:
        *wanted, result = resolve_dtypes(getattr(np, name), tuple(map(numpy_dtype, xs)))
        y = function(*(tf.cast(x, dtype) for x, dtype in zip(xs, wanted, strict=True)))
        return tf.cast(y, result)

    return lowered


# -- the rest -----------------------------------------------------------------------------------------------


def _clip(x: Tensor, low: Tensor, high: Tensor) -> Tensor:
    return UFUNCS["minimum"](UFUNCS["maximum"](x, low), high)


def _astype(x: Tensor, dtype: np.dtype[Any]) -> Tensor:
    to_bool = dtype.kind == "b" and x.dtype != tf.bool
    return x != tf.zeros_like(x) if to_bool else tf.cast(x, dtype)


LOWERINGS: dict[str, Lowering] = {
    **{name: ufunc(name, function) for name, function in UFUNCS.items()},
    "erf": via(_erf, HALF),
    "erfc": tf.math.erfc,
    "erfinv": via(tf.math.erfinv, HALF),
    "gammaln": via(_gammaln, HALF),
    "digamma": via(_digamma, HALF),
    "i0": via(tf.math.bessel_i0, HALF),
    "i1": via(tf.math.bessel_i1, HALF),
    "ndtri": via(tf.math.ndtri, HALF),
    "polygamma": via(lambda x, n: tf.math.polygamma(tf.constant(n, x.dtype), x), HALF),
    "gammainc": via(_gammainc, HALF),
    "where": lambda condition, x, y: tf.where(condition, x, y),
    "clip": _clip,
    "logistic": via(tf.sigmoid, HALF),
    "astype": _astype,
    "stop_gradient": tf.identity,
    "identity": tf.identity,
    "complex": tf.complex,
    "real": tf.math.real,
    "imag": tf.math.imag,
}
