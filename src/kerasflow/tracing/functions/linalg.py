"""`np.linalg` on tracers: decompositions, determinants, solutions, and what is made of them."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np

from kerasflow.primitives.decompositions import LAPACK_TYPES
from kerasflow.tracing.functions.missing import unknown_function
from kerasflow.tracing.normalize import as_operand, cast, promote
from kerasflow.tracing.source import at_user_line
from kerasflow.tracing.trace import apply


class EigResult(NamedTuple):
    eigenvalues: Any
    eigenvectors: Any


class EighResult(NamedTuple):
    eigenvalues: Any
    eigenvectors: Any


class QRResult(NamedTuple):
    Q: Any
    R: Any


class SlogdetResult(NamedTuple):
    sign: Any
    logabsdet: Any


class SVDResult(NamedTuple):
    U: Any
    S: Any
    Vh: Any


# -- operands -----------------------------------------------------------------------------------------------


def _numbers(x: Any) -> Any:
    """An operand of a dtype that LAPACK has; integers become float64.

    Raises:
        TypeError: for the half precisions.
    """
    x = as_operand(x)
    x = cast(x, np.float64) if x.dtype.kind in "iub" else x
    if x.dtype.char not in LAPACK_TYPES:
        raise TypeError(
            at_user_line(
                f"array type {x.dtype} is unsupported in linalg. Compute in float32: `x.astype(np.float32)`"
            )
        )
    return x


def matrices(x: Any) -> Any:
    """An operand that is a matrix, or a stack of matrices.

    Raises:
        np.linalg.LinAlgError: if it has fewer than two axes.
    """
    x = _numbers(x)
    if x.ndim < 2:
        raise np.linalg.LinAlgError(
            at_user_line(f"{x.ndim}-dimensional array given. Array must be at least two-dimensional")
        )
    return x


def square(x: Any) -> Any:
    """An operand that is a square matrix, or a stack of them.

    Raises:
        np.linalg.LinAlgError: if it is not.
    """
    x = matrices(x)
    if x.shape[-1] != x.shape[-2]:
        raise np.linalg.LinAlgError(
            at_user_line(f"Last 2 dimensions of the array must be square, received shape {x.shape}")
        )
    return x


def _adjoint(x: Any) -> Any:
    x = np.swapaxes(x, -1, -2)
    return np.conjugate(x) if x.dtype.kind == "c" else x


def _identity(n: int, like: Any) -> np.ndarray[Any, Any]:
    return np.eye(n, dtype=like.dtype)


# -- decompositions -----------------------------------------------------------------------------------------


def cholesky(a: Any, /, *, upper: bool = False) -> Any:
    a = square(a)
    return _adjoint(apply("cholesky", _adjoint(a))) if upper else apply("cholesky", a)


def qr(a: Any, mode: str = "reduced") -> Any:
    a = matrices(a)
    if mode == "r":
        return apply("qr", a, mode="reduced")[1]
    if mode not in ("reduced", "complete"):
        raise unknown_function(f"np.linalg.qr(mode={mode!r})")
    return QRResult(*apply("qr", a, mode=mode))


def svd(a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False) -> Any:
    a = matrices(a)
    if not compute_uv:
        return svdvals(a)
    return SVDResult(*apply("svd", a, full_matrices=bool(full_matrices)))


def svdvals(x: Any, /) -> Any:
    return apply("svd", matrices(x), full_matrices=False)[1]


def eigh(a: Any, UPLO: str = "L") -> Any:
    if UPLO.upper() not in ("L", "U"):
        raise ValueError("UPLO argument must be 'L' or 'U'")
    a = square(a)
    return EighResult(*apply("eigh", a if UPLO.upper() == "L" else _adjoint(a)))


def eig(a: Any) -> Any:
    """Always complex: whether all eigenvalues are real depends on values."""
    return EigResult(*apply("eig", square(a)))


# -- determinants -------------------------------------------------------------------------------------------


def det(a: Any) -> Any:
    return apply("det", square(a))


def slogdet(a: Any) -> Any:
    return SlogdetResult(*apply("slogdet", square(a)))


# -- solutions ----------------------------------------------------------------------------------------------


def solve(a: Any, b: Any) -> Any:
    a, b = promote([square(a), _numbers(b)])
    if b.ndim == 1:
        return np.squeeze(apply("solve", a, np.expand_dims(b, -1)), -1)
    return apply("solve", a, b)


def inv(a: Any) -> Any:
    a = square(a)
    return apply("solve", a, _identity(a.shape[-1], a))


def pinv(a: Any, rcond: Any = None, hermitian: bool = False, *, rtol: Any = np._NoValue) -> Any:
    a = matrices(a)
    if rcond is None:
        rcond = 1e-15 if rtol is np._NoValue else rtol
    if rcond is None:
        rcond = max(a.shape[-2:]) * np.finfo(a.dtype).eps
    if np.ndim(rcond):
        raise unknown_function("np.linalg.pinv(rcond=…) with several numbers")
    return apply("lstsq", a, _identity(a.shape[-2], a), rcond=float(rcond))


def lstsq(a: Any, b: Any, rcond: Any = None) -> tuple[Any, Any, Any, Any]:
    """The residuals are there if there are more equations than unknowns, whatever the rank: it depends on values."""
    a, b = promote([matrices(a), _numbers(b)])
    if a.ndim != 2 or b.ndim not in (1, 2):
        raise np.linalg.LinAlgError(
            at_user_line(f"lstsq: one matrix of equations, received shapes {a.shape} and {b.shape}")
        )
    eps = np.finfo(a.dtype).eps
    limit = float(eps * max(a.shape) if rcond is None else (eps if rcond == -1 else rcond))
    columns = b if b.ndim == 2 else np.expand_dims(b, -1)
    x = apply("lstsq", a, columns, rcond=limit)
    rest = np.absolute(columns - np.matmul(a, x))
    s = svdvals(a)
    residuals = np.sum(np.square(rest), axis=0)[: None if a.shape[0] > a.shape[1] else 0]
    rank = cast(np.count_nonzero(s > limit * np.max(s, initial=0)), np.int32)
    return x if b.ndim == 2 else np.squeeze(x, -1), residuals, rank, s


def tensorinv(a: Any, ind: int = 2) -> Any:
    a = as_operand(a)
    if ind <= 0:
        raise ValueError("Invalid ind argument.")
    shape = a.shape[ind:] + a.shape[:ind]
    rows = int(np.prod(a.shape[ind:]))
    return np.reshape(inv(np.reshape(a, (-1, rows))), shape)


def tensorsolve(a: Any, b: Any, axes: Any = None) -> Any:
    a, b = as_operand(a), as_operand(b)
    if axes is not None:
        moved = [i for i in range(a.ndim) if i not in axes]
        a = np.transpose(a, (*moved, *axes))
    shape = a.shape[b.ndim - a.ndim :] if b.ndim < a.ndim else ()
    columns = int(np.prod(shape))
    if a.size != columns**2:
        raise np.linalg.LinAlgError(
            "Input arrays must satisfy the requirement prod(a.shape[b.ndim:]) == prod(a.shape[:b.ndim])"
        )
    return np.reshape(solve(np.reshape(a, (columns, columns)), np.ravel(b)), shape)


# -- powers -------------------------------------------------------------------------------------------------


def matrix_power(a: Any, n: int) -> Any:
    """By squaring."""
    a, n = as_operand(a), n.__index__()
    if a.ndim < 2 or a.shape[-1] != a.shape[-2]:
        raise np.linalg.LinAlgError("Last 2 dimensions of the array must be square")
    if n == 0:
        return np.broadcast_to(_identity(a.shape[-1], a), a.shape)
    if n < 0:
        return matrix_power(inv(a), -n)
    if n == 1:
        return a
    half = matrix_power(a, n // 2)
    squared = np.matmul(half, half)
    return np.matmul(squared, a) if n % 2 else squared


def multi_dot(arrays: Any, *, out: Any = None) -> Any:
    """The product of several matrices (the first and the last may be vectors), in the order that costs least."""
    xs = [as_operand(x) for x in arrays]
    if len(xs) < 2:
        raise ValueError("Expecting at least two arrays.")
    sizes = [xs[0].shape[0] if xs[0].ndim > 1 else 1, *(x.shape[-1] for x in xs[:-1])]
    sizes.append(xs[-1].shape[1] if xs[-1].ndim > 1 else 1)

    @functools.cache
    def best(first: int, last: int) -> tuple[int, int]:
        """The cost of the product of the matrices from `first` to `last`, and behind which to cut it."""
        if first == last:
            return 0, first
        return min(
            (best(first, k)[0] + best(k + 1, last)[0] + sizes[first] * sizes[k + 1] * sizes[last + 1], k)
            for k in range(first, last)
        )

    def product(first: int, last: int) -> Any:
        if first == last:
            return xs[first]
        cut = best(first, last)[1]
        return np.dot(product(first, cut), product(cut + 1, last))

    return product(0, len(xs) - 1)


FUNCTIONS = {
    np.linalg.cholesky: cholesky,
    np.linalg.qr: qr,
    np.linalg.svd: svd,
    np.linalg.svdvals: svdvals,
    np.linalg.eigh: eigh,
    np.linalg.eigvalsh: lambda a, UPLO="L": eigh(a, UPLO).eigenvalues,
    np.linalg.eig: eig,
    np.linalg.eigvals: lambda a: eig(a).eigenvalues,
    np.linalg.det: det,
    np.linalg.slogdet: slogdet,
    np.linalg.solve: solve,
    np.linalg.inv: inv,
    np.linalg.pinv: pinv,
    np.linalg.lstsq: lstsq,
    np.linalg.tensorinv: tensorinv,
    np.linalg.tensorsolve: tensorsolve,
    np.linalg.matrix_power: matrix_power,
    np.linalg.multi_dot: multi_dot,
}
