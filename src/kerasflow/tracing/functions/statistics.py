"""Quantiles, correlation, numerical integration and interpolation, on tracers."""

from __future__ import annotations

from typing import Any

import numpy as np

from kerasflow.tracing.functions.complex import each_part, is_complex

# NumPy's own `take` does not look at traced indices into a constant.
from kerasflow.tracing.functions.indexing import take
from kerasflow.tracing.functions.missing import unknown_function
from kerasflow.tracing.normalize import as_operand, canonical_axes, cast, is_weak
from kerasflow.tracing.source import at_user_line
from kerasflow.tracing.trace import apply
from kerasflow.tracing.tracer import Tracer


def quantile(
    a: Any,
    q: Any,
    axis: Any = None,
    out: Any = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: bool = False,
    *,
    weights: Any = None,
) -> Any:
    return _quantile(a, q, axis, method, keepdims, weights=weights)


def nanquantile(
    a: Any,
    q: Any,
    axis: Any = None,
    out: Any = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: bool = False,
    *,
    weights: Any = None,
) -> Any:
    return _quantile(a, q, axis, method, keepdims, weights=weights, skip_nan=True)


def percentile(a: Any, q: Any, *args: Any, **kwargs: Any) -> Any:
    return quantile(a, q / 100 if is_weak(q) else np.true_divide(as_operand(q), 100), *args, **kwargs)


def nanpercentile(a: Any, q: Any, *args: Any, **kwargs: Any) -> Any:
    return nanquantile(a, q / 100 if is_weak(q) else np.true_divide(as_operand(q), 100), *args, **kwargs)


def median(
    a: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, keepdims: bool = False
) -> Any:
    return _quantile(a, 0.5, axis, "mean", keepdims)


def nanmedian(
    a: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, keepdims: bool = False
) -> Any:
    return _quantile(a, 0.5, axis, "mean", keepdims, skip_nan=True)


def _quantile(
    a: Any, q: Any, axis: Any, method: str, keepdims: bool, *, weights: Any = None, skip_nan: bool = False
) -> Any:
    """By sorting, where NaNs go to the end, and combining the neighbours of each level's position.

    Args:
        method: one of NumPy's methods that have a meaning here, or `"mean"`: the mean of the neighbours.
        skip_nan: leave NaNs out; otherwise a NaN among the elements is the result.
    """
    if weights is not None:
        raise unknown_function("np.quantile(weights=…)")
    a = as_operand(a)
    levels = as_operand(q)
    if not isinstance(levels, Tracer) and not np.all((levels >= 0) & (levels <= 1)):
        raise ValueError(at_user_line(f"Quantiles must be in the range [0, 1]; received {q!r}"))
    axes = canonical_axes(axis, a.ndim)
    rest = [i for i in range(a.ndim) if i not in axes]
    flat = np.reshape(np.transpose(a, rest + list(axes)), (*(a.shape[i] for i in rest), -1))
    has_nan = a.dtype.kind in "fVc"
    ordered = np.sort(flat, axis=-1)
    flat_levels = np.reshape(levels, (-1,))
    if skip_nan and has_nan:
        count = np.sum(np.logical_not(np.isnan(flat)), axis=-1, keepdims=True)
        position = np.maximum(flat_levels * cast(count - 1, flat_levels.dtype), 0)
    else:
        position = flat_levels * (flat.shape[-1] - 1)
    position = cast(position, np.float64) if levels.dtype.kind in "iu" else position

    def pick(places: Any) -> Any:
        places = cast(places, np.int64)
        if places.ndim == 1:
            return take(ordered, places, axis=-1)
        return np.take_along_axis(ordered, places, axis=-1)

    low = np.floor(position)
    if method in ("lower", "higher", "nearest"):
        result = pick({"lower": np.floor, "higher": np.ceil, "nearest": np.rint}[method](position))
    elif method == "mean":
        result = np.mean(np.stack([pick(low), pick(np.ceil(position))]), axis=0)
    elif method in ("linear", "midpoint"):
        lower, upper = pick(low), pick(np.ceil(position))
        difference = upper - lower
        kind = np.result_type(difference.dtype, 0.5 if is_weak(q) else position.dtype)
        share = position - low if method == "linear" else np.where(position == low, 0.0, 0.5)
        share = cast(share, kind)
        # From the nearer side, so that the ends are exact.
        result = np.where(share < 0.5, lower + difference * share, upper - difference * (1 - share))
    else:
        raise unknown_function(f"np.quantile(method={method!r})")
    if has_nan and not skip_nan:
        last = ordered[..., -1:]
        result = np.where(np.isnan(last), cast(last, result.dtype), result)
    result = np.moveaxis(result, -1, 0)
    kept = tuple(1 if i in axes else n for i, n in enumerate(a.shape))
    return np.reshape(result, levels.shape + (kept if keepdims else result.shape[1:]))


def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    y = np.moveaxis(as_operand(y), axis, -1)
    if x is None:
        steps = dx
    else:
        x = as_operand(x)
        steps = np.diff(x if x.ndim == 1 else np.moveaxis(x, axis, -1), axis=-1)
    return np.sum(steps * (y[..., 1:] + y[..., :-1]) / 2.0, axis=-1)


def cov(
    m: Any,
    y: Any = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: int | None = None,
    fweights: Any = None,
    aweights: Any = None,
    *,
    dtype: Any = None,
) -> Any:
    if fweights is not None or aweights is not None:
        raise unknown_function("np.cov with weights")
    samples = [as_operand(v) for v in (m, y) if v is not None]
    dtype = np.dtype(dtype) if dtype is not None else np.result_type(np.float64, *(v.dtype for v in samples))
    rows = [np.atleast_2d(cast(v, dtype)) if rowvar or v.ndim == 1 else cast(v, dtype).T for v in samples]
    x = np.concatenate(rows, axis=0)
    x = x - np.mean(x, axis=1, keepdims=True)
    count = x.shape[1] - ((0 if bias else 1) if ddof is None else ddof)
    return np.squeeze(np.matmul(x, np.conjugate(x.T)) * np.asarray(1 / max(count, 0), dtype))


def corrcoef(x: Any, y: Any = None, rowvar: bool = True, *, dtype: Any = None) -> Any:
    c = cov(x, y, rowvar, dtype=dtype)
    if c.ndim == 0:
        return c / c
    deviation = np.sqrt(np.real(np.diagonal(c)))
    result = c / np.expand_dims(deviation, 1) / np.expand_dims(deviation, 0)
    if is_complex(result):
        return each_part(lambda part: np.clip(part, -1.0, 1.0), result)
    return np.clip(result, -1.0, 1.0)


def vander(x: Any, N: Any = None, increasing: bool = False) -> Any:
    x = as_operand(x)
    count = x.shape[0] if N is None else int(N)
    x = cast(x, np.result_type(x.dtype, np.intp))
    factors = np.concatenate(
        [
            np.ones((x.shape[0], 1), x.dtype),
            np.broadcast_to(np.expand_dims(x, 1), (x.shape[0], max(count - 1, 0))),
        ],
        axis=1,
    )
    powers = np.cumprod(factors[:, :count], axis=1)
    return powers if increasing else np.flip(powers, 1)


def gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    """Central differences inside, one-sided ones at the edges; spacings are numbers."""
    f = as_operand(f)
    axes = (
        range(f.ndim)
        if axis is None
        else [a % f.ndim for a in (axis if isinstance(axis, (tuple, list)) else (axis,))]
    )
    spacings = [as_operand(h) for h in varargs] or [np.asarray(1.0)]
    if edge_order != 1 or any(h.ndim for h in spacings):
        raise unknown_function("np.gradient with coordinates or edge_order=2")
    if len(spacings) not in (1, len(axes)):
        raise TypeError("invalid number of arguments")
    f = cast(f, np.float64) if f.dtype.kind in "iub" else f
    found = []
    for i, a in enumerate(axes):
        if f.shape[a] < 2:
            raise ValueError(
                "Shape of array too small to calculate a numerical gradient, at least 2 elements are required."
            )
        h = cast(spacings[i if len(spacings) > 1 else 0], f.dtype)
        moved = np.moveaxis(f, a, 0)
        inside = (moved[2:] - moved[:-2]) / (2 * h)
        parts = [(moved[1:2] - moved[:1]) / h, inside, (moved[-1:] - moved[-2:-1]) / h]
        found.append(np.moveaxis(np.concatenate(parts), 0, a))
    return found[0] if len(found) == 1 else tuple(found)


def interp(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None) -> Any:
    """Linear between the points `(xp, fp)`, xp increasing; constant outside."""
    if period is not None:
        raise unknown_function("np.interp(period=…)")
    x, xp = cast(as_operand(x), np.float64), cast(as_operand(xp), np.float64)
    fp = as_operand(fp)
    fp = cast(fp, np.complex128 if is_complex(fp) else np.float64)
    last = xp.shape[0] - 1
    after = np.clip(apply("searchsorted", xp, x, side="right"), 1, max(last, 1))
    before = after - 1
    after = np.minimum(after, last)
    x0, f0 = take(xp, before), take(fp, before)
    slope = (take(fp, after) - f0) / np.where(after == before, 1.0, take(xp, after) - x0)
    inside = slope * (x - x0) + f0
    result = np.where(x < xp[0], fp[0] if left is None else left, inside)
    result = np.where(x > xp[last], fp[last] if right is None else right, result)
    return np.where(x == xp[last], fp[last], result)


def polyval(p: Any, x: Any) -> Any:
    p, x = as_operand(p), as_operand(x)
    result = np.zeros_like(x)
    for i in range(p.shape[0]):
        result = result * x + p[i]
    return result


FUNCTIONS = {
    np.quantile: quantile,
    np.nanquantile: nanquantile,
    np.percentile: percentile,
    np.nanpercentile: nanpercentile,
    np.median: median,
    np.nanmedian: nanmedian,
    np.trapezoid: trapezoid,
    np.cov: cov,
    np.corrcoef: corrcoef,
    np.vander: vander,
    np.gradient: gradient,
    np.interp: interp,
    np.polyval: polyval,
}
