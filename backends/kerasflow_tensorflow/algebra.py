"""Products of matrices, decompositions and systems of equations, Fourier transforms."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from kerasflow_tensorflow.dtypes import HALF, INTEGERS, Lowering, Tensor, via
from kerasflow_tensorflow.sizes import broadcast_shape, shape

# -- products -----------------------------------------------------------------------------------------------


def _einsum(*operands: Tensor, subscripts: str) -> Tensor:
    return tf.einsum(subscripts, *operands)


# -- decompositions -----------------------------------------------------------------------------------------


def _adjoint(x: Tensor) -> Tensor:
    return tf.linalg.adjoint(x)


def _batched(function: Lowering) -> Lowering:
    """A solver whose operands have the same batch axes."""

    def lowered(a: Tensor, b: Tensor, **params: Any) -> Tensor:
        batch = broadcast_shape(shape(a)[:-2], shape(b)[:-2])
        a, b = (tf.broadcast_to(x, [*batch, *shape(x)[-2:]]) for x in (a, b))
        return function(a, b, **params)

    return lowered


def _svd(x: Tensor, full_matrices: bool) -> tuple[Tensor, ...]:
    s, u, v = tf.linalg.svd(x, full_matrices=full_matrices)
    return u, s, _adjoint(v)


def _lstsq(a: Tensor, b: Tensor, rcond: float) -> Tensor:
    s, u, v = tf.linalg.svd(a)
    kept = s > tf.constant(rcond, s.dtype) * tf.reduce_max(s, axis=-1, keepdims=True)
    inverse = tf.where(kept, 1 / tf.where(kept, s, tf.ones_like(s)), tf.zeros_like(s))
    along = tf.cast(inverse, a.dtype)[..., None] * tf.matmul(u, b, adjoint_a=True)
    return tf.matmul(v, along)


def _cofactors(x: Tensor) -> Tensor:
    s, u, v = tf.linalg.svd(x)
    others = tf.math.cumprod(s, axis=-1, exclusive=True) * tf.math.cumprod(
        s, axis=-1, exclusive=True, reverse=True
    )
    vh = _adjoint(v)
    sign = (tf.linalg.det(u) * tf.linalg.det(vh))[..., None, None]
    return sign * tf.matmul(tf.math.conj(u) * tf.cast(others, x.dtype)[..., None, :], tf.math.conj(vh))


def _slogdet(x: Tensor) -> tuple[Tensor, ...]:
    sign, logarithm = tf.raw_ops.LogMatrixDeterminant(input=x)
    return sign, tf.math.real(logarithm) if logarithm.dtype.is_complex else logarithm


def _lu(x: Tensor) -> tuple[Tensor, ...]:
    """Gaussian elimination with partial pivoting; TensorFlow's own wants square matrices that are invertible."""
    *batch, m, n = shape(x)
    k = min(m, n)
    rows, columns, steps = tf.range(m), tf.range(n), tf.range(k)
    order = tf.broadcast_to(rows, [*batch, m])
    pivots = tf.zeros([*batch, k], tf.int32)
    if 0 in x.shape:
        return tf.identity(x), pivots, order

    def step(j: Tensor, a: Tensor, pivots: Tensor, order: Tensor) -> tuple[Tensor, ...]:
        column = a[..., j]
        size = tf.abs(tf.math.real(column)) + tf.abs(
            tf.math.imag(column)
        )  # as LAPACK compares complex numbers
        pivot = tf.argmax(tf.where(rows < j, -tf.ones_like(size), size), axis=-1, output_type=tf.int32)[
            ..., None
        ]
        exchanged = tf.where(rows == j, pivot, tf.where(rows == pivot, j, rows))
        a = tf.gather(a, exchanged, axis=-2, batch_dims=len(batch))
        order = tf.gather(order, exchanged, axis=-1, batch_dims=len(batch))
        head, zero = a[..., j, j][..., None], tf.zeros((), a.dtype)
        factors = tf.where((rows > j) & (head != 0), a[..., j] / tf.where(head == 0, head + 1, head), zero)
        rest = tf.where(columns > j, a[..., j, :], zero)
        a -= factors[..., None] * rest[..., None, :]
        a = tf.where((rows > j)[:, None] & (columns == j), factors[..., None], a)
        return j + 1, a, tf.where(steps == j, pivot, pivots), order

    _, a, pivots, order = tf.while_loop(lambda j, *_: j < k, step, (tf.constant(0), x, pivots, order))
    return a, pivots, order


def _cholesky(x: Tensor) -> Tensor:
    """TensorFlow fills the result with NaN, and with what was there, where the matrix is not positive definite."""
    found = tf.linalg.cholesky(x)
    parts = [tf.math.real(found), tf.math.imag(found)] if x.dtype.is_complex else [found]
    with tf.control_dependencies([tf.debugging.check_numerics(part, "cholesky") for part in parts]):
        return tf.identity(found)


def _sparse_matmul(values: Tensor, rows: Tensor, columns: Tensor, dense: Tensor, size: int) -> Tensor:
    """By gather and sum, which XLA has too; negative places count from the end."""
    rows, columns = (
        tf.where(i < 0, i + tf.cast(n, i.dtype), i) for i, n in ((rows, size), (columns, tf.shape(dense)[0]))
    )
    return tf.math.unsorted_segment_sum(values[:, None] * tf.gather(dense, columns), rows, size)


def _qr(x: Tensor, mode: str) -> tuple[Tensor, ...]:
    q, r = tf.linalg.qr(x, full_matrices=mode == "complete")
    return q, r


def _eigh(x: Tensor) -> tuple[Tensor, ...]:
    values, vectors = tf.linalg.eigh(x)
    return tf.math.real(values) if values.dtype.is_complex else values, vectors


def _eig(x: Tensor) -> tuple[Tensor, ...]:
    values, vectors = tf.linalg.eig(x)
    return values, vectors


# -- transforms ---------------------------------------------------------------------------------------------


def _rfft(x: Tensor) -> Tensor:
    return tf.signal.rfft(x)


def _irfft(x: Tensor, n: int) -> Tensor:
    return tf.signal.irfft(x, [n])


_PRODUCT = {**HALF, **INTEGERS}

LOWERINGS: dict[str, Lowering] = {
    "matmul": via(tf.matmul, _PRODUCT),
    "einsum": via(_einsum, _PRODUCT),
    "sparse_matmul": via(_sparse_matmul, _PRODUCT),
    "cholesky": _cholesky,
    "solve": _batched(tf.linalg.solve),
    "solve_triangular": _batched(tf.linalg.triangular_solve),
    "lstsq": _batched(_lstsq),
    "det": tf.linalg.det,
    "cofactors": _cofactors,
    "slogdet": _slogdet,
    "lu": _lu,
    "qr": _qr,
    "svd": _svd,
    "eigh": _eigh,
    "eig": _eig,
    "fft": tf.signal.fft,
    "ifft": tf.signal.ifft,
    "rfft": _rfft,
    "irfft": _irfft,
}
