"""`zeros_like` and its kin, copies, and element-by-element functions that are no ufuncs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from kerasflow.tracing.functions.complex import each_part
from kerasflow.tracing.functions.missing import present, unknown_function
from kerasflow.tracing.normalize import as_operand, canonical_axes, cast, common_dtype, is_weak, promote
from kerasflow.tracing.trace import apply, record
from kerasflow.tracing.tracer import Tracer


def full_like(
    a: Any,
    fill_value: Any,
    dtype: Any = None,
    order: Any = "K",
    subok: bool = True,
    shape: Any = None,
    **_: Any,
) -> Any:
    a = as_operand(a)
    target = a.shape if shape is None else tuple(np.atleast_1d(shape).tolist())
    return np.broadcast_to(cast(fill_value, dtype or a.dtype), target)


def zeros_like(
    a: Any, dtype: Any = None, order: Any = "K", subok: bool = True, shape: Any = None, **_: Any
) -> Any:
    return filled(a, 0, dtype, shape)


def ones_like(
    a: Any, dtype: Any = None, order: Any = "K", subok: bool = True, shape: Any = None, **_: Any
) -> Any:
    return filled(a, 1, dtype, shape)


def filled(a: Any, value: Any, dtype: Any, shape: Any) -> Any:
    """A traced array of a's shape in which every element is `value`."""
    a = as_operand(a)
    target = a.shape if shape is None else tuple(np.atleast_1d(shape).tolist())
    scalar = np.asarray(value, dtype or a.dtype)
    if not isinstance(a, Tracer):
        return np.full(target, scalar)
    return record("broadcast_to", scalar, shape=target)


def copy(a: Any, order: Any = "K", subok: bool = False) -> Any:
    return as_operand(a)


def where(condition: Any, x: Any = None, y: Any = None, /) -> Any:
    if x is None or y is None:
        return np.nonzero(condition)
    # A Python scalar takes the other branch's dtype (NEP 50).
    dtype = common_dtype(x, y)
    return apply(
        "where", cast(as_operand(condition), np.bool_), cast(as_operand(x), dtype), cast(as_operand(y), dtype)
    )


def clip(
    a: Any,
    a_min: Any = None,
    a_max: Any = None,
    out: Any = None,
    *,
    min: Any = None,
    max: Any = None,
    **options: Any,
) -> Any:
    if options:
        raise unknown_function(f"np.clip({', '.join(options)})")
    a = as_operand(a)
    low, high = (a_min if min is None else min), (a_max if max is None else max)
    if low is None and high is None:
        return a
    if low is None:
        return np.minimum(a, high)
    if high is None:
        return np.maximum(a, low)
    if a.dtype.kind in "iu":
        # A Python integer that the dtype cannot hold bounds nothing on its side.
        limits = np.iinfo(a.dtype)
        low, high = (
            sorted((int(limits.min), v, int(limits.max)))[1] if is_weak(v) and isinstance(v, int) else v
            for v in (low, high)
        )
    dtype = common_dtype(a, low, high)
    return apply("clip", cast(a, dtype), cast(low, dtype), cast(high, dtype))


def round_(a: Any, decimals: int = 0, out: Any = None) -> Any:
    a = as_operand(a)
    if a.dtype.kind == "b" and decimals:
        raise TypeError("np.round of booleans to other than whole numbers")
    if a.dtype.kind in "iu":
        return a if decimals >= 0 else cast(np.rint(a / 10.0**-decimals) * 10.0**-decimals, a.dtype)
    if decimals == 0:
        return np.rint(a)
    if decimals < 0:
        return np.rint(a / 10.0**-decimals) * 10.0**-decimals
    return np.rint(a * 10.0**decimals) / 10.0**decimals


def nan_to_num(x: Any, copy: bool = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    x = as_operand(x)
    if x.dtype.kind == "c":
        return each_part(lambda part: nan_to_num(part, copy, nan, posinf, neginf), x)
    if x.dtype.kind not in "fV":
        return x
    # The number next to infinity: finfo does not know extension dtypes.
    limit = np.nextafter(np.asarray(np.inf, x.dtype), np.asarray(0, x.dtype))
    largest = limit if posinf is None else posinf
    smallest = -limit if neginf is None else neginf
    x = np.where(np.isnan(x), cast(nan, x.dtype), x)
    infinite = np.isinf(x)
    x = np.where(np.logical_and(infinite, x > 0), cast(largest, x.dtype), x)
    return np.where(np.logical_and(infinite, x < 0), cast(smallest, x.dtype), x)


def isclose(a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Any:
    a, b = as_operand(a), as_operand(b)
    if a.dtype != b.dtype and "V" in (a.dtype.kind, b.dtype.kind):  # NumPy knows no dtype that has both.
        a, b = cast(a, np.float32), cast(b, np.float32)
    a, b = promote([a, b])
    close = np.logical_and(np.absolute(a - b) <= atol + rtol * np.absolute(b), np.isfinite(b))
    close = np.logical_or(close, a == b)
    return np.logical_or(close, np.logical_and(np.isnan(a), np.isnan(b))) if equal_nan else close


def i0(x: Any) -> Any:
    x = as_operand(x)
    return apply("i0", x if x.dtype.kind in "fV" else cast(x, np.float64))


def linspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = None,
    axis: int = 0,
    *,
    device: Any = None,
) -> Any:
    compute = common_dtype(start, stop, 0.0)
    start, stop = np.broadcast_arrays(cast(start, compute), cast(stop, compute))
    intervals = num - 1 if endpoint else num
    step = (stop - start) / np.asarray(intervals or np.nan, compute)
    grid = np.reshape(np.arange(num, dtype=compute), (num, *[1] * start.ndim))
    result = start + grid * step if intervals > 0 else np.broadcast_to(start, (num, *start.shape))
    if endpoint and num > 1:
        result = np.concatenate([result[:-1], np.expand_dims(stop, 0)])
    if dtype is not None:
        result = cast(np.floor(result) if np.dtype(dtype).kind in "iu" else result, dtype)
    result = np.moveaxis(result, 0, axis)
    return (result, step) if retstep else result


def logspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    base: Any = 10.0,
    dtype: Any = None,
    axis: int = 0,
) -> Any:
    result = np.power(base, linspace(start, stop, num, endpoint, axis=axis))
    return result if dtype is None else cast(result, dtype)


def sinc(x: Any) -> Any:
    x = as_operand(x)
    x = np.pi * (x if x.dtype.kind in "fVc" else cast(x, np.float64))
    zero = x == 0
    return np.where(zero, 1.0, np.sin(x) / np.where(zero, 1.0, x))


def array_equal(a1: Any, a2: Any, equal_nan: bool = False) -> Any:
    a, b = as_operand(a1), as_operand(a2)
    if a.shape != b.shape:
        return False
    same = a == b
    if equal_nan and a.dtype.kind in "fVc" and b.dtype.kind in "fVc":
        same = np.logical_or(same, np.logical_and(np.isnan(a), np.isnan(b)))
    return np.all(same)


def result_type(*arrays_and_dtypes: Any) -> np.dtype[Any]:
    return np.result_type(*(x.dtype if isinstance(x, Tracer) else x for x in arrays_and_dtypes))


def can_cast(from_: Any, to: Any, casting: Any = "safe") -> bool:
    return np.can_cast(from_.dtype if isinstance(from_, Tracer) else from_, to, casting)


def size(a: Any, axis: Any = None) -> int:
    a = as_operand(a)
    return a.size if axis is None else int(np.prod([a.shape[i] for i in canonical_axes(axis, a.ndim)]))


def float_power(x1: Any, x2: Any, /, **kwargs: Any) -> Any:
    """`power` in float64 at least."""
    dtype = np.result_type(common_dtype(x1, x2), np.float64)
    return np.power(cast(x1, dtype), cast(x2, dtype), **kwargs)


def modf(x: Any, /) -> tuple[Any, Any]:
    x = as_operand(x)
    whole = np.trunc(x)
    whole = whole if whole.dtype.kind in "fV" else cast(whole, np.float64)
    rest = np.where(np.isinf(x), cast(0, whole.dtype), x - whole)
    return np.copysign(rest, x), whole


# The ufuncs that are not one primitive.
UFUNCS: dict[Any, Callable[..., Any]] = {
    np.float_power: float_power,
    np.divmod: lambda x1, x2, /: (np.floor_divide(x1, x2), np.remainder(x1, x2)),
    np.modf: modf,
}

FUNCTIONS = {
    np.zeros_like: zeros_like,
    np.ones_like: ones_like,
    np.empty_like: zeros_like,
    np.full_like: full_like,
    np.copy: copy,
    np.where: where,
    np.clip: clip,
    np.round: round_,
    np.around: round_,
    np.nan_to_num: nan_to_num,
    np.isclose: isclose,
    np.allclose: lambda *args, **kwargs: np.all(isclose(*args, **kwargs)),
    np.i0: i0,
    np.linspace: linspace,
    np.logspace: logspace,
    np.isposinf: lambda x, out=None: np.logical_and(np.isinf(x), x > 0),
    np.isneginf: lambda x, out=None: np.logical_and(np.isinf(x), x < 0),
    np.sinc: sinc,
    np.shape: lambda a: as_operand(a).shape,
    np.ndim: lambda a: as_operand(a).ndim,
    np.size: size,
    np.result_type: result_type,
    np.can_cast: can_cast,
    np.array_equal: array_equal,
    **present(
        astype=lambda x, dtype, /, *, copy=True, device=None: cast(x, dtype),
        fix=lambda x, out=None: np.trunc(x),  # deprecated in NumPy 2.5
    ),
}
