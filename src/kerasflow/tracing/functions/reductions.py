"""Reductions and cumulative functions on tracers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from kerasflow.primitives.complex import real_dtype
from kerasflow.tracing.functions.complex import absolute_square
from kerasflow.tracing.functions.missing import present, unknown_function
from kerasflow.tracing.normalize import as_operand, canonical_axes, canonical_axis, cast
from kerasflow.tracing.trace import apply


def reduce(name: str, a: Any, axis: Any, keepdims: bool) -> Any:
    """Apply a reduction primitive; nothing to do over no axes."""
    axes = canonical_axes(axis, a.ndim)
    return apply(name, a, axis=axes, keepdims=bool(keepdims)) if axes else a


def _widened(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype in which NumPy adds and multiplies: small integers become the platform's."""
    return np.add.reduce(np.zeros(1, dtype)).dtype if dtype.kind in "iub" else dtype


def _is_given(where: Any) -> bool:
    return where is not None and where is not True


def _arithmetic(name: str, combine: Callable[..., Any], neutral: Any) -> Callable[..., Any]:
    def handler(
        a: Any,
        axis: Any = None,
        dtype: Any = None,
        out: Any = None,
        keepdims: bool = False,
        initial: Any = None,
        where: Any = None,
    ) -> Any:
        a = as_operand(a)
        a = cast(a, dtype or _widened(a.dtype))
        if _is_given(where):
            a = np.where(where, a, cast(neutral, a.dtype))
        result = reduce(name, a, axis, keepdims)
        return result if initial is None else combine(result, cast(initial, result.dtype))

    return handler


def _extremum(name: str, combine: Callable[..., Any]) -> Callable[..., Any]:
    def handler(
        a: Any,
        axis: Any = None,
        out: Any = None,
        keepdims: bool = False,
        initial: Any = None,
        where: Any = None,
    ) -> Any:
        a = as_operand(a)
        start = None if initial is None else cast(initial, a.dtype)
        if _is_given(where):
            if start is None:
                raise ValueError(
                    f"reduction operation '{name}' does not have an identity, "
                    "so to use a where mask one has to specify 'initial'"
                )
            a = np.where(where, a, start)
        if start is not None and a.size == 0:
            kept = reduce("sum", a, axis, keepdims).shape
            return np.broadcast_to(start, kept)
        result = reduce(name, a, axis, keepdims)
        return result if start is None else combine(result, start)

    return handler


def _logical(name: str, neutral: bool) -> Callable[..., Any]:
    def handler(
        a: Any, axis: Any = None, out: Any = None, keepdims: bool = False, *, where: Any = None
    ) -> Any:
        a = cast(as_operand(a), np.bool_)
        if _is_given(where):
            a = np.where(where, a, np.bool_(neutral))
        return reduce(name, a, axis, keepdims)

    return handler


def _arg(name: str) -> Callable[..., Any]:
    def handler(a: Any, axis: Any = None, out: Any = None, *, keepdims: bool = False) -> Any:
        a = as_operand(a)
        if axis is None:
            result = apply(name, np.ravel(a), axis=0)
            return np.reshape(result, (1,) * a.ndim) if keepdims else result
        axis = canonical_axis(axis, a.ndim)
        result = apply(name, a, axis=axis)
        return np.expand_dims(result, axis) if keepdims else result

    return handler


def _cumulative(name: str) -> Callable[..., Any]:
    def handler(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
        a = as_operand(a)
        if axis is None:
            a, axis = np.ravel(a), 0
        return apply(name, cast(a, dtype or _widened(a.dtype)), axis=canonical_axis(axis, a.ndim))

    return handler


def _cumulative_array_api(name: str, first: int) -> Callable[..., Any]:
    """`np.cumulative_sum` and `np.cumulative_prod`."""
    function = _cumulative(name)

    def handler(
        x: Any, /, *, axis: Any = None, dtype: Any = None, out: Any = None, include_initial: bool = False
    ) -> Any:
        x = as_operand(x)
        if axis is None and x.ndim > 1:
            raise ValueError("For arrays which have more than one dimension `axis` argument is required.")
        axis = canonical_axis(0 if axis is None else axis, x.ndim)
        result = function(x, axis, dtype)
        if not include_initial:
            return result
        shape = (*x.shape[:axis], 1, *x.shape[axis + 1 :])
        return np.concatenate([np.full(shape, first, result.dtype), result], axis=axis)

    return handler


def _mean_dtypes(a: Any, dtype: Any) -> tuple[np.dtype[Any], np.dtype[Any]]:
    """The dtypes of a mean and of its computation: integers in float64, half precision in float32."""
    if dtype is not None:
        return np.dtype(dtype), np.dtype(dtype)
    if a.dtype.kind in "iub":
        return np.dtype(np.float64), np.dtype(np.float64)
    return a.dtype, np.dtype(np.float32) if a.dtype.itemsize == 2 else a.dtype


def _count(a: Any, axis: Any, where: Any, dtype: np.dtype[Any], keepdims: bool) -> Any:
    """How many elements each result is made of."""
    if _is_given(where):
        return cast(np.sum(np.broadcast_to(where, a.shape), axis=axis, keepdims=keepdims), dtype)
    return np.asarray(np.prod([a.shape[i] for i in canonical_axes(axis, a.ndim)]), dtype)


def mean(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False, *, where: Any = None
) -> Any:
    a = as_operand(a)
    result, compute = _mean_dtypes(a, dtype)
    total = np.sum(a, axis=axis, dtype=compute, keepdims=keepdims, where=where)
    return cast(total / _count(a, axis, where, compute, keepdims), result)


def var(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    ddof: float = 0,
    keepdims: bool = False,
    *,
    where: Any = None,
    mean: Any = None,
    correction: Any = None,
) -> Any:
    a = as_operand(a)
    result, compute = _mean_dtypes(a, dtype)
    a = cast(a, compute)
    centre = (
        np.mean(a, axis=axis, keepdims=True, where=True if where is None else where) if mean is None else mean
    )
    # The variance of complex numbers is that of their two parts together.
    result, compute = real_dtype(result), real_dtype(compute)
    total = np.sum(absolute_square(a - centre), axis=axis, keepdims=keepdims, where=where)
    removed = ddof if correction is None else correction
    count = _count(a, axis, where, compute, keepdims)
    return cast(total / (np.maximum(count - np.asarray(removed, compute), 0) if removed else count), result)


def std(a: Any, *args: Any, **kwargs: Any) -> Any:
    return np.sqrt(var(a, *args, **kwargs))


def average(
    a: Any, axis: Any = None, weights: Any = None, returned: bool = False, *, keepdims: bool = False
) -> Any:
    a = as_operand(a)
    if weights is None:
        result = np.mean(a, axis=axis, keepdims=keepdims)
        scale = _count(a, axis, None, result.dtype, keepdims)
    else:
        weights = as_operand(weights)
        dtype = np.result_type(a.dtype, weights.dtype, *([np.float64] if a.dtype.kind in "iub" else []))
        if weights.shape != a.shape:
            if axis is None:
                raise TypeError("Axis must be specified when shapes of a and weights differ.")
            axes = canonical_axes(axis, a.ndim)
            if weights.shape != tuple(a.shape[i] for i in axes):
                raise ValueError("Shape of weights must be consistent with shape of a along specified axis.")
            weights = np.reshape(weights, tuple(n if i in axes else 1 for i, n in enumerate(a.shape)))
        weights = np.broadcast_to(weights, a.shape)
        scale = np.sum(weights, axis=axis, dtype=dtype, keepdims=keepdims)
        result = np.sum(np.multiply(a, weights, dtype=dtype), axis=axis, keepdims=keepdims) / scale
    return (result, np.broadcast_to(scale, result.shape)) if returned else result


def _ignoring_nan(function: Callable[..., Any], fill: Any) -> Callable[..., Any]:
    """A function with NaNs replaced by `fill`, which does not change its result."""

    def handler(a: Any, *args: Any, **kwargs: Any) -> Any:
        a = as_operand(a)
        if a.dtype.kind in "fVc":
            a = np.where(np.isnan(a), cast(fill, a.dtype), a)
        return function(a, *args, **kwargs)

    return handler


def _nan_extremum(function: Callable[..., Any], fill: Any) -> Callable[..., Any]:
    """`nanmax` and `nanmin`: NaN where there is nothing else."""
    filled = _ignoring_nan(function, fill)

    def handler(a: Any, axis: Any = None, out: Any = None, keepdims: bool = False, **kwargs: Any) -> Any:
        a = as_operand(a)
        result = filled(a, axis=axis, keepdims=keepdims, **kwargs)
        if a.dtype.kind not in "fVc" or kwargs:
            return result
        return np.where(np.all(np.isnan(a), axis=axis, keepdims=keepdims), cast(np.nan, a.dtype), result)

    return handler


def _where_number(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function with a `where` argument, of the elements that are not NaN."""

    def handler(a: Any, *args: Any, where: Any = None, **kwargs: Any) -> Any:
        if _is_given(where):
            raise unknown_function("np.nanmean, np.nanvar, np.nanstd with where=")
        a = as_operand(a)
        if a.dtype.kind not in "fVc":
            return function(a, *args, **kwargs)
        return function(a, *args, where=np.logical_not(np.isnan(a)), **kwargs)

    return handler


def ptp(a: Any, axis: Any = None, out: Any = None, keepdims: bool = False) -> Any:
    return np.max(a, axis=axis, keepdims=keepdims) - np.min(a, axis=axis, keepdims=keepdims)


def count_nonzero(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    return np.sum(cast(as_operand(a), np.bool_), axis=axis, keepdims=keepdims)


FUNCTIONS = {
    np.sum: _arithmetic("sum", np.add, 0),
    np.prod: _arithmetic("prod", np.multiply, 1),
    np.max: _extremum("max", np.maximum),
    np.min: _extremum("min", np.minimum),
    np.any: _logical("any", False),
    np.all: _logical("all", True),
    np.argmax: _arg("argmax"),
    np.argmin: _arg("argmin"),
    np.cumsum: _cumulative("cumsum"),
    np.cumprod: _cumulative("cumprod"),
    np.mean: mean,
    np.var: var,
    np.std: std,
    np.average: average,
    np.ptp: ptp,
    np.count_nonzero: count_nonzero,
    np.nansum: _ignoring_nan(np.sum, 0),
    np.nanprod: _ignoring_nan(np.prod, 1),
    np.nancumsum: _ignoring_nan(np.cumsum, 0),
    np.nancumprod: _ignoring_nan(np.cumprod, 1),
    np.nanmax: _nan_extremum(np.max, -np.inf),
    np.nanmin: _nan_extremum(np.min, np.inf),
    np.nanargmax: _ignoring_nan(np.argmax, -np.inf),
    np.nanargmin: _ignoring_nan(np.argmin, np.inf),
    np.nanmean: _where_number(mean),
    np.nanvar: _where_number(var),
    np.nanstd: _where_number(std),
    **present(
        cumulative_sum=_cumulative_array_api("cumsum", 0),
        cumulative_prod=_cumulative_array_api("cumprod", 1),
    ),
}
# In NumPy amax and amin are functions of their own.
FUNCTIONS |= {np.amax: FUNCTIONS[np.max], np.amin: FUNCTIONS[np.min]}
