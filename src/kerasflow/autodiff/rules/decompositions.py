"""Derivatives of decompositions, determinants and solutions of linear equations.

Rules of functions that are analytic in their matrix (solutions, determinants,
LU) are those of the literature for real matrices. The others are written with
gradients, which are the conjugates of cotangents (`_by_gradients`), as the
literature does for complex matrices:

- M. B. Giles, "Collected matrix derivative results for forward and reverse mode
  algorithmic differentiation", 2008: solutions, determinants, eigenvalues.
- I. Murray, "Differentiation of the Cholesky decomposition", 2016.
- G. H. Golub and V. Pereyra, "The differentiation of pseudo-inverses and nonlinear
  least squares problems whose variables separate", 1973: lstsq.
- F. R. de Hoog, R. S. Anderssen and M. A. Lukas, "Differentiation of matrix
  functionals using triangular factorization", 2011: LU.
- D. A. O. Roberts and L. R. Roberts, "QR and LQ decomposition matrix backpropagation
  algorithms for square, wide, and deep matrices", 2020.
- J. Townsend, "Differentiating the singular value decomposition", 2016;
  Z.-Q. Wan and S.-X. Zhang, "Automatic differentiation for complex valued SVD", 2019.
- C. Boeddeker et al., "On the computation of complex-valued gradients with
  application to statistically optimum beamforming", 2017: eig.

Eigenvectors and singular vectors of values that coincide are not differentiable:
their gradients are no numbers. Those of the values are right there too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from kerasflow.autodiff.joint import Joint, flows
from kerasflow.autodiff.rules.complex import conj
from kerasflow.errors import GradientError
from kerasflow.tracing import apply


def _t(x: Any) -> Any:
    return np.swapaxes(x, -1, -2)


def _h(x: Any) -> Any:
    return conj(_t(x))


def _eye(n: int, like: Any) -> np.ndarray[Any, Any]:
    return np.eye(n, dtype=like.dtype)


def _on_diagonal(values: Any) -> Any:
    """Diagonal matrices."""
    return np.expand_dims(values, -1) * _eye(values.shape[-1], values)


def _off_diagonal(x: Any) -> Any:
    return np.where(np.eye(x.shape[-1], dtype=bool), np.zeros((), x.dtype), x)


def _differences(values: Any) -> Any:
    """`values[j] - values[i]` at (i, j), and 1 on the diagonal."""
    gaps = np.expand_dims(values, -2) - np.expand_dims(values, -1)
    return gaps + _eye(values.shape[-1], values)


def _columns_times(x: Any, factors: Any) -> Any:
    return x * np.expand_dims(factors, -2)


def _rows_times(factors: Any, x: Any) -> Any:
    return np.expand_dims(factors, -1) * x


def _solve_from_right(x: Any, upper: Any) -> Any:
    """`x @ inv(upperᵀ)` with an upper triangular matrix."""
    return _t(apply("solve_triangular", upper, _t(x), lower=False))


def _by_gradients(rule: Callable[..., Any]) -> Joint:
    """A rule that gets and returns gradients, the conjugates of cotangents."""

    def function(gs: Any, results: Any, operands: Any, wanted: Any, **params: Any) -> list[Any]:
        found = rule([conj(g) for g in gs], results, operands, wanted, **params)
        return [None if g is None else conj(g) for g in found]

    return Joint(function)


# -- solutions ----------------------------------------------------------------------------------------------


def _solve(gs: Any, results: Any, operands: Any, wanted: Any) -> list[Any]:
    (x,), (a, _) = results, operands
    gb = apply("solve", _t(a), gs[0])
    return [-np.matmul(gb, _t(x)) if wanted[0] else None, gb]


def _solve_triangular(gs: Any, results: Any, operands: Any, wanted: Any, lower: bool) -> list[Any]:
    (x,), (a, _) = results, operands
    gb = apply("solve_triangular", _t(a), gs[0], lower=not lower)
    if not wanted[0]:
        return [None, gb]
    ga = -np.matmul(gb, _t(x))
    return [np.tril(ga) if lower else np.triu(ga), gb]


def _lstsq(gs: Any, results: Any, operands: Any, wanted: Any, rcond: float) -> list[Any]:
    """Right as long as the rank stays the same.

    With P the pseudo-inverse and r = b - A x: dP b = -P dA x + P Pᴴ dAᴴ r + (I - P A) dAᴴ Pᴴ x.
    """
    (g,), (x,), (a, b) = gs, results, operands
    gb = apply("lstsq", _h(a), g, rcond=rcond)
    if not wanted[0]:
        return [None, gb]
    ga = (
        -np.matmul(gb, _h(x))
        + np.matmul(b - np.matmul(a, x), _h(apply("lstsq", a, gb, rcond=rcond)))
        + np.matmul(apply("lstsq", _h(a), x, rcond=rcond), _h(g - np.matmul(_h(a), gb)))
    )
    return [ga, gb]


# -- determinants -------------------------------------------------------------------------------------------


def _inverse_transposed(x: Any) -> Any:
    return apply("solve", _t(x), _eye(x.shape[-1], x))


def _cofactors(g: Any, result: Any, x: Any) -> Any:
    """The second derivative of the determinant goes by the inverse."""
    inverse = _inverse_transposed(x)
    along = np.sum(g * result, axis=(-1, -2), keepdims=True)
    return along * inverse - np.matmul(np.matmul(inverse, _t(g)), result)


def _slogdet(gs: Any, results: Any, operands: Any, wanted: Any) -> list[Any]:
    (g_sign, g), (sign, _), (x,) = gs, results, operands
    if x.dtype.kind == "c" and flows(g_sign):
        g = apply("complex", g, np.imag(g_sign * sign))
    return [np.expand_dims(g, (-1, -2)) * _inverse_transposed(x)]


# -- triangular factors -------------------------------------------------------------------------------------


def _cholesky(gs: Any, results: Any, operands: Any, wanted: Any) -> list[Any]:
    """The gradient among Hermitian matrices: itself Hermitian."""
    (g,), (lower,) = gs, results
    upper, n = _h(lower), lower.shape[-1]
    inner = np.tril(np.matmul(upper, g)) * (1 - 0.5 * np.eye(n)).astype(lower.dtype)
    left = apply("solve_triangular", upper, inner, lower=False)
    both = apply("solve_triangular", upper, _h(left), lower=False)
    return [(both + _h(both)) * np.asarray(0.5, lower.dtype)]


def _lu(gs: Any, results: Any, operands: Any, wanted: Any) -> list[Any]:
    """Of the rows that are left over from a square matrix, or the columns, first their own, then what they add."""
    g, (packed, _, permutation) = gs[0], results
    m, n = packed.shape[-2:]
    k = min(m, n)
    square = packed[..., :k, :k]
    lower, upper = np.tril(square, -1) + _eye(k, square), np.triu(square)
    g_lower, g_upper = np.tril(g[..., :k, :k], -1), np.triu(g[..., :k, :k])
    rest = None
    if m > n:
        rest = _solve_from_right(g[..., k:, :], upper)
        g_upper = g_upper - np.triu(np.matmul(_t(packed[..., k:, :]), rest))
    elif n > m:
        rest = apply("solve_triangular", _t(lower), g[..., :, k:], lower=False)
        g_lower = g_lower - np.tril(np.matmul(rest, _t(packed[..., :, k:])), -1)
    inner = np.tril(np.matmul(_t(lower), g_lower), -1) + np.triu(np.matmul(g_upper, _t(upper)))
    found = _solve_from_right(apply("solve_triangular", _t(lower), inner, lower=False), upper)
    if rest is not None:
        found = np.concatenate([found, rest], axis=-2 if m > n else -1)
    places = np.argsort(permutation, axis=-1)
    return [np.take_along_axis(found, np.expand_dims(places, -1), axis=-2)]


def _qr(gs: Any, results: Any, operands: Any, wanted: Any, mode: str) -> list[Any]:
    (gq, gr), (q, r), (x,) = gs, results, operands
    m, n = x.shape[-2:]
    if m < n:  # X = [Y Z], Y = Q R, and the rest of R is Qᴴ Z.
        g_rest, rest = gr[..., m:], x[..., m:]
        first = _qr_of_full_rank(gq + np.matmul(rest, _h(g_rest)), gr[..., :m], q, r[..., :m])
        return [np.concatenate([first, np.matmul(q, g_rest)], axis=-1)]
    if q.shape[-1] > n:
        if flows(gq):
            raise GradientError(
                f'`qr(mode="complete")` of a matrix with more rows than columns ({x.shape}) has no derivative: '
                'the last columns of Q are any orthonormal ones. Use mode="reduced".'
            )
        gq, gr = gq[..., :n], gr[..., :n, :]
        q, r = apply("qr", x, mode="reduced")
    return [_qr_of_full_rank(gq, gr, q, r)]


def _qr_of_full_rank(gq: Any, gr: Any, q: Any, r: Any) -> Any:
    half = np.triu(np.matmul(gr, _h(r)) - np.matmul(_h(q), gq))
    whole = half + _h(np.triu(half, 1))
    if whole.dtype.kind == "c":  # R has a real diagonal.
        whole = whole - _on_diagonal(1j * np.imag(np.diagonal(whole, axis1=-2, axis2=-1)))
    return _solve_from_right(gq + np.matmul(q, whole), conj(r))


# -- eigenvalues and singular values ------------------------------------------------------------------------


def _eigh(gs: Any, results: Any, operands: Any, wanted: Any) -> list[Any]:
    """The gradient among Hermitian matrices: itself Hermitian."""
    (gw, gv), (w, v) = gs, results
    if not flows(gv):
        return [np.matmul(_columns_times(v, gw), _h(v))]
    turned = _off_diagonal(np.matmul(_h(v), gv) / _differences(w))
    inner = _on_diagonal(gw) + (turned + _h(turned)) * np.asarray(0.5, w.dtype)
    return [np.matmul(np.matmul(v, inner), _h(v))]


def _svd(gs: Any, results: Any, operands: Any, wanted: Any, full_matrices: bool) -> list[Any]:
    (gu, gs_, gvh), (u, s, vh), (x,) = gs, results, operands
    m, n = x.shape[-2:]
    k = min(m, n)
    if full_matrices and ((m > n and flows(gu)) or (n > m and flows(gvh))):
        raise GradientError(
            f"`svd(full_matrices=True)` of a matrix that is not square ({x.shape}) has no derivative: the last "
            "singular vectors are any orthonormal ones. Use full_matrices=False."
        )
    if not flows(gu) and not flows(gvh):
        if full_matrices and m != n:
            u, _, vh = apply("svd", x, full_matrices=False)
        return [np.matmul(_columns_times(u, gs_), vh)]
    # The vectors that are needed, from those that have derivatives.
    if full_matrices and m > n:
        u, gu = _columns_times(np.matmul(x, _h(vh)), 1 / s), gu[..., :k]
    elif full_matrices and n > m:
        vh, gvh = _rows_times(1 / s, np.matmul(_h(u), x)), gvh[..., :k, :]
    v, gv = _h(vh), _h(gvh)
    left, right = np.matmul(_h(u), gu), np.matmul(vh, gv)
    left, right = left - _h(left), right - _h(right)
    # The differences of the squares.
    squares = _differences(s) * (np.expand_dims(s, -2) + np.expand_dims(s, -1))
    inner = _off_diagonal((_columns_times(left, s) + _rows_times(s, right)) / squares) + _on_diagonal(gs_)
    if x.dtype.kind == "c":
        inner = inner + _on_diagonal(np.diagonal(left, axis1=-2, axis2=-1) / (s + s))
    found = np.matmul(np.matmul(u, inner), vh)
    if m > k:
        found = found + np.matmul(_columns_times(gu - np.matmul(u, np.matmul(_h(u), gu)), 1 / s), vh)
    if n > k:
        found = found + np.matmul(u, _rows_times(1 / s, _h(gv - np.matmul(v, np.matmul(vh, gv)))))
    return [found]


def _eig(gs: Any, results: Any, operands: Any, wanted: Any) -> list[Any]:
    """Of functions that do not depend on the vectors' phases, which are the routine's choice."""
    (gw, gv), (w, v) = gs, results
    inner = _on_diagonal(gw)
    if flows(gv):
        turned = np.matmul(_h(v), gv)
        length = np.real(np.diagonal(turned, axis1=-2, axis2=-1))
        turned = turned - _columns_times(np.matmul(_h(v), v), length)
        inner = inner + _off_diagonal(turned / conj(_differences(w)))
    return [apply("solve", _h(v), np.matmul(inner, _h(v)))]


RULES: dict[str, Any] = {
    "cholesky": _by_gradients(_cholesky),
    "solve": Joint(_solve),
    "solve_triangular": Joint(_solve_triangular),
    "lstsq": _by_gradients(_lstsq),
    "det": (lambda g, r, x: np.expand_dims(g, (-1, -2)) * apply("cofactors", x),),
    "cofactors": (_cofactors,),
    "slogdet": Joint(_slogdet),
    "lu": Joint(_lu),
    "qr": _by_gradients(_qr),
    "svd": _by_gradients(_svd),
    "eigh": _by_gradients(_eigh),
    "eig": _by_gradients(_eig),
}
