"""Keras's linear algebra (`keras.src.backend.numpy.linalg`): NumPy's, and primitives where NumPy has none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from kerasflow.bridge.ops.jvp import jvp
from kerasflow.bridge.ops.precision import common_dtype, compute_dtype, floating
from kerasflow.bridge.ops.tensors import cast, tensor
from kerasflow.tracing import apply
from kerasflow.tracing.tensor import tensors


def cholesky(a: Any, upper: bool = False) -> Any:
    return np.linalg.cholesky(floating(a), upper=upper)


def cholesky_inverse(a: Any, upper: bool = False) -> Any:
    a = floating(a)
    identity = np.broadcast_to(np.eye(a.shape[-1], dtype=a.dtype), a.shape)
    inverse = solve_triangular(a, identity, lower=not upper)
    transposed = np.swapaxes(inverse, -1, -2)
    if a.dtype.kind == "c":
        transposed = np.conjugate(transposed)
    return tensors(inverse) @ transposed if upper else tensors(transposed) @ inverse


def det(a: Any) -> Any:
    return np.linalg.det(floating(a))


def eig(a: Any) -> Any:
    """Always complex, as in a program: whether all eigenvalues are real depends on values."""
    return apply("eig", floating(a))


def eigh(a: Any) -> Any:
    return tuple(np.linalg.eigh(floating(a)))


def inv(a: Any) -> Any:
    return np.linalg.inv(floating(a))


def lu_factor(a: Any) -> Any:
    packed, pivots, _ = apply("lu", floating(a))
    return packed, pivots


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
    return tuple(np.linalg.qr(floating(x), mode=mode))  # type: ignore[call-overload]


def _equations(function: Callable[[Any, Any], Any], a: Any, b: Any) -> Any:
    """Apply a solver of matrix equations to tensors of one dtype, where b may be vectors."""
    a, b = floating(a), floating(b)
    dtype = common_dtype(a, b)
    a, b = cast(a, dtype), cast(b, dtype)
    return function(a, b[..., None])[..., 0] if b.ndim == a.ndim - 1 else function(a, b)


def solve(a: Any, b: Any) -> Any:
    return _equations(np.linalg.solve, a, b)


def solve_triangular(a: Any, b: Any, lower: bool = False) -> Any:
    return _equations(lambda a, b: apply("solve_triangular", a, b, lower=bool(lower)), a, b)


def svd(x: Any, full_matrices: bool = True, compute_uv: bool = True) -> Any:
    result = np.linalg.svd(floating(x), full_matrices=full_matrices, compute_uv=compute_uv)  # type: ignore[call-overload]
    return tuple(result) if compute_uv else result


def lstsq(a: Any, b: Any, rcond: float | None = None) -> Any:
    def solver(a: Any, b: Any) -> Any:
        eps = np.finfo(a.dtype).eps
        limit = max(a.shape[-2:]) * eps if rcond is None else (eps if rcond == -1 else rcond)
        return apply("lstsq", a, b, rcond=float(limit))

    return _equations(solver, a, b)


def matrix_power(a: Any, n: int) -> Any:
    return np.linalg.matrix_power(tensor(a), n)


def matrix_rank(x: Any, tol: Any = None) -> Any:
    x = tensor(x)
    if x.ndim < 2:
        raise ValueError(f"Expected input to have rank >= 2. Received input with shape {x.shape}.")
    return cast(np.linalg.matrix_rank(floating(x), tol=tol), "int32")


def pinv(x: Any, rcond: Any = None) -> Any:
    return np.linalg.pinv(floating(x), rcond=rcond)


__all__ = [
    "cholesky",
    "cholesky_inverse",
    "det",
    "eig",
    "eigh",
    "inv",
    "jvp",
    "lstsq",
    "lu_factor",
    "matrix_power",
    "matrix_rank",
    "norm",
    "pinv",
    "qr",
    "solve",
    "solve_triangular",
    "svd",
]
