"""Norms, ranks and condition numbers, on tracers."""

from __future__ import annotations

from typing import Any

import numpy as np

from kerasflow.primitives.complex import real_dtype
from kerasflow.tracing.functions.complex import absolute_square
from kerasflow.tracing.functions.linalg import inv, svdvals
from kerasflow.tracing.normalize import as_operand, canonical_axis, cast


def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """Of a vector or a matrix, depending on how many axes there are."""
    x = as_operand(x)
    axes = range(x.ndim) if axis is None else [canonical_axis(i, x.ndim) for i in np.atleast_1d(axis)]
    if ord is None or len(axes) == 1:
        return vector_norm(x, axis=tuple(axes), keepdims=keepdims, ord=2 if ord is None else ord)
    if len(axes) == 2:
        return _matrix_norm(x, (axes[0], axes[1]), ord, keepdims)
    raise ValueError("Improper number of dimensions to norm.")


def vector_norm(x: Any, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Any:
    x = _inexact(x)
    if ord == 2:
        return np.sqrt(np.sum(absolute_square(x), axis=axis, keepdims=keepdims))
    size = np.absolute(x)
    if ord == np.inf:
        return np.max(size, axis=axis, keepdims=keepdims)
    if ord == -np.inf:
        return np.min(size, axis=axis, keepdims=keepdims)
    if ord == 0:
        return np.sum(cast(x != 0, size.dtype), axis=axis, keepdims=keepdims)
    if ord == 1:
        return np.sum(size, axis=axis, keepdims=keepdims)
    if isinstance(ord, str):
        raise ValueError(f"Invalid norm order '{ord}' for vectors")
    return np.power(np.sum(np.power(size, ord), axis=axis, keepdims=keepdims), 1.0 / ord)


def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Any:
    x = as_operand(x)
    return norm(x, ord, (x.ndim - 2, x.ndim - 1), keepdims)


_OF_SINGULAR_VALUES: dict[Any, Any] = {2: np.max, -2: np.min, "nuc": np.sum}


def _matrix_norm(x: Any, axes: tuple[int, int], ord: Any, keepdims: bool) -> Any:
    x = _inexact(x)
    if axes[0] == axes[1]:
        raise ValueError("Duplicate axes given.")
    if ord in ("fro", "f"):
        return vector_norm(x, axis=axes, keepdims=keepdims)
    if ord in _OF_SINGULAR_VALUES:
        result = _OF_SINGULAR_VALUES[ord](svdvals(np.moveaxis(x, axes, (-2, -1))), axis=-1)
    elif ord in (1, -1, np.inf, -np.inf):
        summed, kept = axes if ord in (1, -1) else axes[::-1]
        extremum = np.max if ord > 0 else np.min
        result = extremum(np.sum(np.absolute(x), axis=summed, keepdims=True), axis=kept, keepdims=True)
        return result if keepdims else np.squeeze(result, axes)
    else:
        raise ValueError("Invalid norm order for matrices.")
    return np.expand_dims(result, axes) if keepdims else result


def _inexact(x: Any) -> Any:
    x = as_operand(x)
    return cast(x, np.float64) if x.dtype.kind in "iub" else x


def cond(x: Any, p: Any = None) -> Any:
    x = as_operand(x)
    if p in (None, 2, -2):
        s = svdvals(x)
        result = s[..., -1] / s[..., 0] if p == -2 else s[..., 0] / s[..., -1]
    else:
        result = matrix_norm(x, ord=p) * matrix_norm(inv(x), ord=p)
    # 0 / 0 of a matrix of zeros; a NaN in the matrix is one in the result.
    unknown = np.logical_and(np.isnan(result), np.logical_not(np.any(np.isnan(x), axis=(-2, -1))))
    return np.where(unknown, np.inf, result)


def matrix_rank(A: Any, tol: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Any:
    a = as_operand(A)
    if a.ndim < 2:
        return cast(np.any(a != 0), np.intp)
    s = svdvals(a)
    if tol is None:
        relative = max(a.shape[-2:]) * np.finfo(real_dtype(s.dtype)).eps if rtol is None else rtol
        limit = np.max(s, axis=-1, keepdims=True) * np.expand_dims(np.asarray(relative, s.dtype), -1)
    else:
        limit = np.expand_dims(as_operand(tol), -1)
    return np.count_nonzero(s > limit, axis=-1)


FUNCTIONS = {
    np.linalg.norm: norm,
    np.linalg.vector_norm: vector_norm,
    np.linalg.matrix_norm: matrix_norm,
    np.linalg.cond: cond,
    np.linalg.matrix_rank: matrix_rank,
}
