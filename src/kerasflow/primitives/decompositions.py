"""Decompositions, determinants and systems of linear equations, of stacks of matrices (the last two axes).

Dtypes are LAPACK's: float32, float64, complex64, complex128. What cannot be
computed (a matrix that is singular, or not positive definite) raises
`np.linalg.LinAlgError` when it is evaluated, as NumPy's functions do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kerasflow.graph import Primitive, ShapedArray
from kerasflow.primitives.complex import COMPLEX, real_dtype
from kerasflow.primitives.elementwise import broadcast_shapes

LAPACK_TYPES = "fdFD"


# -- evaluation ---------------------------------------------------------------------------------------------


def lapack(name: str, *arrays: Any) -> Callable[..., Any]:
    """SciPy's binding of a LAPACK routine, for the dtype of the arrays."""
    from scipy.linalg import get_lapack_funcs

    (function,) = get_lapack_funcs((name,), arrays)
    return function


def solve_triangular(a: Any, b: Any, lower: bool) -> Any:
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    a, b = np.broadcast_to(a, (*batch, *a.shape[-2:])), np.broadcast_to(b, (*batch, *b.shape[-2:]))
    result = np.empty(b.shape, b.dtype)
    if not result.size:
        return result
    trtrs = lapack("trtrs", a, b)
    for i in np.ndindex(batch):
        # LAPACK reads columns: the transpose of a matrix in C order is there without a copy.
        result[i], info = trtrs(a[i].T, b[i], lower=not lower, trans=1)
        if info > 0:
            raise np.linalg.LinAlgError(
                f"solve_triangular: a matrix is singular, element {info - 1} of its diagonal is 0"
            )
    return result


def lu(x: Any) -> tuple[Any, Any, Any]:
    batch, (m, n) = x.shape[:-2], x.shape[-2:]
    packed = np.empty(x.shape, x.dtype)
    pivots = np.empty((*batch, min(m, n)), np.int32)
    permutation = np.empty((*batch, m), np.int32)
    permutation[...] = np.arange(m)
    if not packed.size:
        return packed, pivots, permutation
    getrf = lapack("getrf", x)
    for i in np.ndindex(batch):
        packed[i], pivots[i], _ = getrf(x[i])
        order = permutation[i]
        for row, other in enumerate(pivots[i]):
            order[[row, other]] = order[[other, row]]
    return packed, pivots, permutation


def lstsq(a: Any, b: Any, rcond: float) -> Any:
    u, s, vh = np.linalg.svd(a, full_matrices=False)
    kept = s > rcond * np.max(s, axis=-1, keepdims=True, initial=0)
    inverse = np.divide(1, s, out=np.zeros_like(s), where=kept)
    along = inverse[..., None] * np.matmul(np.conjugate(np.swapaxes(u, -1, -2)), b)
    return np.matmul(np.conjugate(np.swapaxes(vh, -1, -2)), along)


def cofactors(x: Any) -> Any:
    """With A = U S Vᴴ: det(U) det(Vᴴ) conj(U) C conj(Vᴴ), where C has the products of all other singular values."""
    u, s, vh = np.linalg.svd(x)
    before, after = np.ones_like(s), np.ones_like(s)
    np.cumprod(s[..., :-1], axis=-1, out=before[..., 1:])
    np.cumprod(s[..., :0:-1], axis=-1, out=after[..., -2::-1])
    sign = (np.linalg.det(u) * np.linalg.det(vh))[..., None, None]
    return sign * np.matmul(np.conjugate(u) * (before * after)[..., None, :], np.conjugate(vh))


def eig(x: Any) -> tuple[Any, Any]:
    values, vectors = np.linalg.eig(x)
    dtype = COMPLEX.get(x.dtype, x.dtype)
    return values.astype(dtype), vectors.astype(dtype)


# -- shapes -------------------------------------------------------------------------------------------------


def _matrices(name: str, *xs: ShapedArray) -> None:
    if any(x.ndim < 2 or x.dtype.char not in LAPACK_TYPES or x.dtype != xs[0].dtype for x in xs):
        listed = " and ".join(map(str, xs))
        raise ValueError(
            f"{name}: stacks of matrices of one dtype (float32, float64, complex64, complex128), received {listed}"
        )


def _square(name: str, *xs: ShapedArray) -> None:
    _matrices(name, *xs)
    if xs[0].shape[-1] != xs[0].shape[-2]:
        raise ValueError(f"{name}: the matrices must be square, received {xs[0]}")


def _same(name: str) -> Callable[..., ShapedArray]:
    def rule(x: ShapedArray) -> ShapedArray:
        _square(name, x)
        return x

    return rule


def _equations_rule(name: str, square: bool) -> Callable[..., ShapedArray]:
    def rule(a: ShapedArray, b: ShapedArray, **_: Any) -> ShapedArray:
        (_square if square else _matrices)(name, a, b)
        if a.shape[-2] != b.shape[-2]:
            raise ValueError(
                f"{name}: {a.shape[-2]} equations with {b.shape[-2]} right-hand sides, received {a} and {b}"
            )
        batch = broadcast_shapes(a.shape[:-2], b.shape[:-2])
        return ShapedArray((*batch, a.shape[-1], b.shape[-1]), a.dtype)

    return rule


def _det_rule(x: ShapedArray) -> ShapedArray:
    _square("det", x)
    return ShapedArray(x.shape[:-2], x.dtype)


def _slogdet_rule(x: ShapedArray) -> Sequence[ShapedArray]:
    _square("slogdet", x)
    return ShapedArray(x.shape[:-2], x.dtype), ShapedArray(x.shape[:-2], real_dtype(x.dtype))


def _lu_rule(x: ShapedArray) -> Sequence[ShapedArray]:
    _matrices("lu", x)
    *batch, m, n = x.shape
    int32 = np.dtype(np.int32)
    return x, ShapedArray((*batch, min(m, n)), int32), ShapedArray((*batch, m), int32)


def _qr_rule(x: ShapedArray, mode: str) -> Sequence[ShapedArray]:
    _matrices("qr", x)
    *batch, m, n = x.shape
    k = m if mode == "complete" else min(m, n)
    return ShapedArray((*batch, m, k), x.dtype), ShapedArray((*batch, k, n), x.dtype)


def _svd_rule(x: ShapedArray, full_matrices: bool) -> Sequence[ShapedArray]:
    _matrices("svd", x)
    *batch, m, n = x.shape
    k = min(m, n)
    left, right = (m, n) if full_matrices else (k, k)
    return (
        ShapedArray((*batch, m, left), x.dtype),
        ShapedArray((*batch, k), real_dtype(x.dtype)),
        ShapedArray((*batch, right, n), x.dtype),
    )


def _eigh_rule(x: ShapedArray) -> Sequence[ShapedArray]:
    _square("eigh", x)
    return ShapedArray(x.shape[:-1], real_dtype(x.dtype)), x


def _eig_rule(x: ShapedArray) -> Sequence[ShapedArray]:
    _square("eig", x)
    dtype = COMPLEX.get(x.dtype, x.dtype)
    return ShapedArray(x.shape[:-1], dtype), ShapedArray(x.shape, dtype)


# -- the primitives -----------------------------------------------------------------------------------------

PRIMITIVES: tuple[Primitive, ...] = (
    # The lower factor L of a positive definite A = L Lᴴ; A's lower triangle alone is read.
    Primitive("cholesky", lambda x: np.linalg.cholesky(x), _same("cholesky")),
    # x of a x = b; both are stacks of matrices, batch axes broadcast.
    Primitive("solve", lambda a, b: np.linalg.solve(a, b), _equations_rule("solve", True)),
    # The same for a triangular a; the other triangle is not read.
    Primitive("solve_triangular", solve_triangular, _equations_rule("solve_triangular", True)),
    # The shortest x for which a x is nearest to b. Singular values up to `rcond` times the largest count as 0.
    Primitive("lstsq", lstsq, _equations_rule("lstsq", False)),
    Primitive("det", lambda x: np.linalg.det(x), _det_rule),
    # The determinant's derivative with respect to each element, also of singular matrices.
    Primitive("cofactors", cofactors, _same("cofactors")),
    # The determinant's sign (a complex number of absolute value 1) and the logarithm of its absolute value.
    Primitive("slogdet", lambda x: tuple(np.linalg.slogdet(x)), _slogdet_rule, multiple_results=True),
    # P A = L U: L (its diagonal of ones left out) and U in one matrix; LAPACK's row exchanges; which row of A is where.
    Primitive("lu", lu, _lu_rule, multiple_results=True),
    # `mode` is "reduced" or "complete".
    Primitive("qr", lambda x, mode: tuple(np.linalg.qr(x, mode)), _qr_rule, multiple_results=True),
    # (U, s, Vᴴ), s falling.
    Primitive(
        "svd",
        lambda x, full_matrices: tuple(np.linalg.svd(x, full_matrices)),
        _svd_rule,
        multiple_results=True,
    ),
    # (w, V) of a Hermitian matrix, w rising; its lower triangle alone is read.
    Primitive("eigh", lambda x: tuple(np.linalg.eigh(x)), _eigh_rule, multiple_results=True),
    # (w, V) of any square matrix, always complex.
    Primitive("eig", eig, _eig_rule, multiple_results=True),
)
