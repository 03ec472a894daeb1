"""NumPy's ufuncs, where, clip, astype, in ONNX's operators."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from kerasflow.exporting.onnx.builder import Builder, Operand, Tensor
from kerasflow.primitives.elementwise import resolve_dtypes

Elementwise = Callable[..., Tensor]

# Sums and products of half-precision numbers are kept in single precision, as NumPy's are.
HALF = {"float16": "float32"}
# Onnxruntime computes with integers of 32 and 64 bits; cast back, they wrap around.
SMALL = {"bool": "int32", "uint8": "int32", "int8": "int32", "uint16": "int32", "int16": "int32"}
INTEGERS = {**SMALL, "uint32": "int64", "uint64": "int64"}
WIDE = {**INTEGERS, **HALF}


def via(function: Callable[..., Any], wider: Mapping[str, str]) -> Callable[..., Any]:
    """The function with operands of some dtypes cast to others first, and a result of these cast back."""

    def lowered(b: Builder, *xs: Tensor, **params: Any) -> Tensor:
        own = xs[0].dtype
        wide = wider.get(own.name)
        if wide is None:
            return function(b, *xs, **params)
        result = function(b, *(x.cast(wide) if x.dtype == own else x for x in xs), **params)
        return result.cast(own) if result.dtype == np.dtype(wide) else result

    return lowered


def widened(x: Tensor, wider: Mapping[str, str]) -> Tensor:
    """x, in another dtype if its own is one of these."""
    return x.cast(wider.get(x.dtype.name, x.dtype))


def _operator(kind: str, dtype: Any = None) -> Elementwise:
    return lambda b, *xs: b.op(kind, *xs, dtype=dtype)


def _scaled(kind: str | None, factor: float) -> Elementwise:
    return lambda b, x: (b.op(kind, x) if kind else x) * factor


def is_float(x: Tensor) -> bool:
    """Whether x holds floating-point numbers."""
    return x.dtype.kind == "f"


def _whole(kind: str) -> Elementwise:
    """A way of rounding; integers are whole already."""
    return lambda b, x: b.op(kind, x) if is_float(x) else x


def _filled(b: Builder, x: Tensor, value: Any, dtype: Any) -> Tensor:
    """An array of x's shape that holds one number."""
    return b.op("Expand", b.constant(np.array(value, dtype)), b.op("Shape", x, dtype=np.int64), dtype=dtype)


# -- questions ----------------------------------------------------------------------------------------------


def isnan(b: Builder, x: Tensor) -> Tensor:
    """Where x is NaN."""
    return b.op("IsNaN", x, dtype=np.bool_) if is_float(x) else _filled(b, x, False, np.bool_)


def _isinf(b: Builder, x: Tensor) -> Tensor:
    return b.op("Abs", x).equal(np.inf) if is_float(x) else _filled(b, x, False, np.bool_)


def _isfinite(b: Builder, x: Tensor) -> Tensor:
    return ~(isnan(b, x) | _isinf(b, x))


def _signbit(b: Builder, x: Tensor) -> Tensor:
    if not is_float(x):
        return x.less(0)
    return x.less(0) | (x.equal(0) & b.op("Reciprocal", x).less(0))


def _logical_not(b: Builder, x: Tensor) -> Tensor:
    return ~x.cast(bool)


def _not(question: Elementwise) -> Elementwise:
    return lambda b, x, y: ~question(b, x, y)


def _of_truth(kind: str) -> Elementwise:
    return lambda b, x, y: b.op(kind, x.cast(bool), y.cast(bool))


# -- functions of one number --------------------------------------------------------------------------------


def _trunc(b: Builder, x: Tensor) -> Tensor:
    if not is_float(x):
        return x
    return b.where(x.less(0), b.op("Ceil", x), b.op("Floor", x))


def _cbrt(b: Builder, x: Tensor) -> Tensor:
    return b.op("Sign", x) * b.op("Pow", b.op("Abs", x), 1 / 3)


def _reciprocal(b: Builder, x: Tensor) -> Tensor:
    if is_float(x):
        return b.op("Reciprocal", x)
    return b.where(b.op("Abs", x).equal(1), x, 0)


def _exp2(b: Builder, x: Tensor) -> Tensor:
    return b.op("Pow", b.constant(np.array(2, x.dtype)), x)


def _expm1(b: Builder, x: Tensor) -> Tensor:
    """For small x by tanh, which loses no digits."""
    half = b.op("Tanh", x * 0.5)
    return b.where(b.op("Abs", x).less(1), half * 2 / (1 - half), b.op("Exp", x) - 1)


def _log1p(b: Builder, x: Tensor) -> Tensor:
    """What 1 + x loses of x is made good by a factor (Kahan)."""
    u = x + 1
    kept = u - 1
    exact = kept.equal(0) | _isinf(b, u)
    logarithm = b.op("Log", u)
    small = b.where(kept.equal(0), x, logarithm)
    return b.where(exact, small, logarithm * (x / b.where(exact, 1, kept)))


def _invert(b: Builder, x: Tensor) -> Tensor:
    return ~x if x.dtype == bool else b.op("BitwiseNot", x)


def _erfc(b: Builder, x: Tensor) -> Tensor:
    return 1 - b.op("Erf", x)


# -- functions of two numbers -------------------------------------------------------------------------------


def _without_nan(kind: str) -> Elementwise:
    """The larger or the smaller of two numbers; a NaN loses."""
    return lambda b, x, y: b.where(isnan(b, x), y, b.where(isnan(b, y), x, b.op(kind, x, y)))


def _nonzero(b: Builder, y: Tensor) -> Tensor:
    return b.where(y.equal(0), 1, y)


def _rest(b: Builder, x: Tensor, y: Tensor) -> Tensor:
    """What is left of a division that rounds towards zero; of a division of integers by zero, 0."""
    if is_float(x):
        return b.op("Mod", x, y, fmod=1)
    return b.where(y.equal(0), 0, b.op("Mod", x, _nonzero(b, y), fmod=1))


def _remainder(b: Builder, x: Tensor, y: Tensor) -> Tensor:
    rest = _rest(b, x, y)
    return b.where(~rest.equal(0) & (rest.less(0) ^ y.less(0)), rest + y, rest)


def _floor_divide(b: Builder, x: Tensor, y: Tensor) -> Tensor:
    rest = _rest(b, x, y)
    apart = ~rest.equal(0) & (rest.less(0) ^ y.less(0))
    if not is_float(x):
        quotient = b.op("Div", x, _nonzero(b, y))
        return b.where(y.equal(0), 0, b.where(apart, quotient - 1, quotient))
    quotient = (x - rest) / y
    quotient = b.op("Round", b.where(apart, quotient - 1, quotient))
    return b.where(y.equal(0), x / y, quotient)


def _log_sum(base: float) -> Elementwise:
    def lowered(b: Builder, x: Tensor, y: Tensor) -> Tensor:
        distance = b.op("Abs", x - y)
        more = _log1p(b, b.op("Exp", -distance * math.log(base))) * (1 / math.log(base))
        return b.where(x.equal(y), x + math.log(2) / math.log(base), b.op("Max", x, y) + more)

    return lowered


def _arctan2(b: Builder, y: Tensor, x: Tensor) -> Tensor:
    """The angle, from that of y / x; behind the origin there is half a turn between the two."""
    half_turn = _copysign(b, b.constant(np.array(math.pi, y.dtype)), y)
    angle = b.op("Atan", y / x)
    angle = b.where(x.less(0), angle + half_turn, b.where(x.equal(0), half_turn * 0.5, angle))
    angle = b.where(y.equal(0), b.where(_signbit(b, x), half_turn, y), angle)
    both = _isinf(b, x) & _isinf(b, y)
    quarter = b.constant(np.array(0.25, x.dtype))
    angle = b.where(both, half_turn * b.where(x.less(0), 0.75, quarter), angle)
    return b.where(isnan(b, x) | isnan(b, y), x + y, angle)


def _hypot(b: Builder, x: Tensor, y: Tensor) -> Tensor:
    x, y = b.op("Abs", x), b.op("Abs", y)
    larger, smaller = b.op("Max", x, y), b.op("Min", x, y)
    ratio = smaller / _nonzero(b, larger)
    found = larger * b.op("Sqrt", ratio * ratio + 1)
    return b.where(_isinf(b, x) | _isinf(b, y), np.inf, found)


def _heaviside(b: Builder, x: Tensor, y: Tensor) -> Tensor:
    step = b.where(x.equal(0), y, x.greater(0).cast(x.dtype))
    return b.where(isnan(b, x), x, step)


def _copysign(b: Builder, x: Tensor, y: Tensor) -> Tensor:
    size = b.op("Abs", x)
    return b.where(_signbit(b, y), -size, size)


def _ldexp(b: Builder, x: Tensor, n: Tensor) -> Tensor:
    return x * b.op("Pow", b.constant(np.array(2, x.dtype)), n.cast(x.dtype))


def _of_bool(boolean: str, bits: str) -> Elementwise:
    return lambda b, x, y: b.op(boolean if x.dtype == bool else bits, x, y)


def _left_shift(b: Builder, x: Tensor, n: Tensor) -> Tensor:
    bits = 8 * x.dtype.itemsize
    inside = n.less(bits) & ~n.less(0)
    return b.where(inside, x * b.op("Pow", b.constant(np.array(2, x.dtype)), b.where(inside, n, 0)), 0)


def _right_shift(b: Builder, x: Tensor, n: Tensor) -> Tensor:
    """A division that rounds down, in two steps: 2 to the power of all bits but one is the largest there is."""
    last = 8 * x.dtype.itemsize - 2
    n = b.where(n.less(0) | n.greater(last), last, n)
    return _floor_divide(b, x, b.op("Pow", b.constant(np.array(2, x.dtype)), n))


UFUNCS: dict[str, Elementwise] = {
    "negative": via(_operator("Neg"), INTEGERS),
    "absolute": via(_operator("Abs"), SMALL),
    "sign": via(_operator("Sign"), {**SMALL, **HALF}),
    "sqrt": _operator("Sqrt"),
    "cbrt": via(_cbrt, HALF),
    "square": via(lambda b, x: x * x, INTEGERS),
    "reciprocal": via(_reciprocal, INTEGERS),
    "exp": _operator("Exp"),
    "exp2": via(_exp2, HALF),
    "expm1": via(_expm1, HALF),
    "log": _operator("Log"),
    "log2": via(_scaled("Log", 1 / math.log(2)), HALF),
    "log10": via(_scaled("Log", 1 / math.log(10)), HALF),
    "log1p": via(_log1p, HALF),
    "sin": _operator("Sin"),
    "cos": _operator("Cos"),
    "tanh": _operator("Tanh"),
    **{
        name: via(_operator(kind), HALF)
        for name, kind in {
            "tan": "Tan",
            "arcsin": "Asin",
            "arccos": "Acos",
            "arctan": "Atan",
            "sinh": "Sinh",
            "cosh": "Cosh",
            "arcsinh": "Asinh",
            "arccosh": "Acosh",
            "arctanh": "Atanh",
        }.items()
    },
    "floor": _whole("Floor"),
    "ceil": _whole("Ceil"),
    "trunc": _trunc,
    "rint": _whole("Round"),
    "deg2rad": via(_scaled(None, math.pi / 180), HALF),
    "rad2deg": via(_scaled(None, 180 / math.pi), HALF),
    "conjugate": lambda b, x: x,
    "invert": _invert,
    "logical_not": _logical_not,
    "isnan": isnan,
    "isinf": _isinf,
    "isfinite": _isfinite,
    "signbit": via(_signbit, INTEGERS),
    "add": via(_operator("Add"), INTEGERS),
    "subtract": via(_operator("Sub"), INTEGERS),
    "multiply": via(_operator("Mul"), INTEGERS),
    "divide": _operator("Div"),
    "floor_divide": via(_floor_divide, WIDE),
    "remainder": via(_remainder, WIDE),
    "fmod": via(_rest, WIDE),
    "power": via(_operator("Pow"), WIDE),
    "maximum": via(_operator("Max"), SMALL),
    "minimum": via(_operator("Min"), SMALL),
    "fmax": via(_without_nan("Max"), SMALL),
    "fmin": via(_without_nan("Min"), SMALL),
    "logaddexp": via(_log_sum(math.e), HALF),
    "logaddexp2": via(_log_sum(2), HALF),
    "arctan2": via(_arctan2, HALF),
    "hypot": via(_hypot, HALF),
    "heaviside": via(_heaviside, HALF),
    "copysign": _copysign,
    "ldexp": _ldexp,
    "bitwise_and": _of_bool("And", "BitwiseAnd"),
    "bitwise_or": _of_bool("Or", "BitwiseOr"),
    "bitwise_xor": _of_bool("Xor", "BitwiseXor"),
    "left_shift": via(_left_shift, INTEGERS),
    "right_shift": via(_right_shift, INTEGERS),
    "logical_and": _of_truth("And"),
    "logical_or": _of_truth("Or"),
    "logical_xor": _of_truth("Xor"),
    "equal": via(_operator("Equal", np.bool_), INTEGERS),
    "not_equal": via(_not(_operator("Equal", np.bool_)), INTEGERS),
    "less": via(_operator("Less", np.bool_), INTEGERS),
    "less_equal": via(_operator("LessOrEqual", np.bool_), INTEGERS),
    "greater": via(_operator("Greater", np.bool_), INTEGERS),
    "greater_equal": via(_operator("GreaterOrEqual", np.bool_), INTEGERS),
}


def _ufunc(name: str, function: Elementwise) -> Elementwise:
    """A ufunc: its operands in the dtypes of NumPy's inner loop, and so its result."""

    def lowered(b: Builder, *xs: Tensor) -> Tensor:
        *wanted, result = resolve_dtypes(getattr(np, name), tuple(x.dtype for x in xs))
        return function(b, *(x.cast(dtype) for x, dtype in zip(xs, wanted, strict=True))).cast(result)

    return lowered


# -- the rest -----------------------------------------------------------------------------------------------


def _where(b: Builder, condition: Tensor, x: Tensor, y: Tensor) -> Tensor:
    own = x.dtype
    wide = np.dtype(INTEGERS.get(own.name, own.name))
    return b.where(condition.cast(bool), x.cast(wide), y.cast(wide)).cast(own)


def _clip(b: Builder, x: Tensor, low: Operand, high: Operand) -> Tensor:
    return b.op("Min", b.op("Max", x, low), high)


def _astype(b: Builder, x: Tensor, dtype: np.dtype[Any]) -> Tensor:
    return x.cast(dtype)


def _same(b: Builder, x: Tensor) -> Tensor:
    return x


LOWERINGS: dict[str, Elementwise] = {
    **{name: _ufunc(name, function) for name, function in UFUNCS.items()},
    "erf": via(_operator("Erf"), HALF),
    "erfc": via(_erfc, HALF),
    "where": _where,
    "clip": via(_clip, SMALL),
    "logistic": _operator("Sigmoid"),
    "astype": _astype,
    "stop_gradient": _same,
    "identity": _same,
}
