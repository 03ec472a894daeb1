"""Keras's linear algebra (`keras.src.backend.numpy.linalg`): NumPy's, and SciPy's where NumPy has none.

Norms can be traced. Decompositions and solvers compute at once; on a traced
array they say that they cannot.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from kerasflow.bridge.ops.core import cast, convert_to_tensor
from kerasflow.bridge.ops.precision import compute_dtype, floating
from kerasflow.bridge.ops.unavailable import computed_at_once


def cholesky(a: Any, upper: bool = False) -> Any:
    return computed_at_once("cholesky", lambda m: np.linalg.cholesky(m, upper=upper), floating(a))


def cholesky_inverse(a: Any, upper: bool = False) -> Any:
    a = floating(a)
    identity = np.broadcast_to(np.eye(a.shape[-1], dtype=a.dtype), a.shape)
    inverse = solve_triangular(a, identity, lower=not upper)
    transposed = np.swapaxes(inverse, -1, -2)
    return np.matmul(inverse, transposed) if upper else np.matmul(transposed, inverse)


def det(a: Any) -> Any:
    return computed_at_once("det", np.linalg.det, floating(a))


def eig(a: Any) -> Any:
    return computed_at_once("eig", lambda m: tuple(np.linalg.eig(m)), floating(a))


def eigh(a: Any) -> Any:
    return computed_at_once("eigh", lambda m: tuple(np.linalg.eigh(m)), floating(a))


def inv(a: Any) -> Any:
    return computed_at_once("inv", np.linalg.inv, floating(a))


def _stacked(function: Callable[..., Any], *stacks: Any) -> Any:
    """Apply a function of matrices to stacks of matrices; a stack, or a tuple of them, as the function returns."""
    batch = stacks[0].shape[:-2]
    if not batch:
        return function(*stacks)
    flat = [x.reshape(-1, *x.shape[-2:]) for x in stacks]
    results = [function(*matrices) for matrices in zip(*flat, strict=True)]
    if not isinstance(results[0], tuple):
        return np.stack(results).reshape(*batch, *results[0].shape)
    return tuple(np.stack(parts).reshape(*batch, *parts[0].shape) for parts in zip(*results, strict=True))


def lu_factor(a: Any) -> Any:
    import scipy.linalg

    return computed_at_once("lu_factor", lambda m: _stacked(scipy.linalg.lu_factor, m), floating(a))


def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    x = floating(x)
    axis = tuple(axis) if isinstance(axis, list) else axis
    if x.dtype.kind == "c":
        return np.linalg.norm(x, ord=ord, axis=axis, keepdims=keepdims)
    return cast(
        np.linalg.norm(cast(x, compute_dtype(x.dtype)), ord=ord, axis=axis, keepdims=keepdims), x.dtype
    )


def qr(x: Any, mode: str = "reduced") -> Any:
    if mode not in {"reduced", "complete"}:
        raise ValueError(
            f"`mode` argument value not supported. Expected one of {{'reduced', 'complete'}}. Received: mode={mode}"
        )
    return computed_at_once("qr", lambda m: tuple(np.linalg.qr(m, mode=mode)), floating(x))  # type: ignore[call-overload]


def _with_columns(function: Callable[..., Any], a: Any, b: Any) -> Any:
    """Apply a solver of matrix equations where b may be vectors."""
    return function(a, b[..., None])[..., 0] if b.ndim == a.ndim - 1 else function(a, b)


def solve(a: Any, b: Any) -> Any:
    return computed_at_once(
        "solve", lambda a, b: _with_columns(np.linalg.solve, a, b), floating(a), floating(b)
    )


def solve_triangular(a: Any, b: Any, lower: bool = False) -> Any:
    import scipy.linalg

    def solve_stack(a: Any, b: Any) -> Any:
        return _stacked(lambda m, y: scipy.linalg.solve_triangular(m, y, lower=lower), a, b)

    return computed_at_once(
        "solve_triangular", lambda a, b: _with_columns(solve_stack, a, b), floating(a), floating(b)
    )


def svd(x: Any, full_matrices: bool = True, compute_uv: bool = True) -> Any:
    def decompose(m: Any) -> Any:
        result = np.linalg.svd(m, full_matrices=full_matrices, compute_uv=compute_uv)  # type: ignore[call-overload]
        return tuple(result) if compute_uv else result

    return computed_at_once("svd", decompose, floating(x))


def lstsq(a: Any, b: Any, rcond: float | None = None) -> Any:
    return computed_at_once(
        "lstsq", lambda a, b: np.linalg.lstsq(a, b, rcond=rcond)[0], floating(a), floating(b)
    )


def matrix_rank(x: Any, tol: Any = None) -> Any:
    x = convert_to_tensor(x)
    if x.ndim < 2:
        raise ValueError(f"Expected input to have rank >= 2. Received input with shape {x.shape}.")
    return computed_at_once(
        "matrix_rank", lambda m: np.asarray(np.linalg.matrix_rank(m, tol=tol), np.int32), floating(x)
    )


def pinv(x: Any, rcond: Any = None) -> Any:
    return computed_at_once("pinv", lambda m: np.linalg.pinv(m, rcond=rcond), floating(x))


def jvp(fun: Callable[..., Any], primals: Any, tangents: Any, has_aux: bool = False) -> NoReturn:
    raise NotImplementedError(
        "`jvp` is not available: kerasflow differentiates in reverse mode. Use `kerasflow.grad` or a `GradientTape`."
    )
