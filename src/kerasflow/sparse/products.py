"""Products of matrices, and of stacks of them, of which one or both are sparse."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from kerasflow.sparse.arrays import stored, transpose
from kerasflow.sparse.elementwise import dense
from kerasflow.sparse.places import compact, flat, scalars
from kerasflow.tracing import apply
from kerasflow.tracing.sparse import SparseTensor


def matmul(x1: Any, x2: Any) -> Any:
    """The product, of operands of one dtype: sparse if both are."""
    both = isinstance(x1, SparseTensor) and isinstance(x2, SparseTensor)
    if both and x1.ndim == x2.ndim == 2 and not x1.is_abstract and not x2.is_abstract:
        return _sparse(x1, x2)
    if both:
        # How many numbers it has nobody knows before it is computed.
        return stored(matmul(x1, x2.todense()))
    if x1.dtype == np.bool_ or min(x1.ndim, x2.ndim) < 2:
        return np.matmul(dense(x1), dense(x2))
    if isinstance(x1, SparseTensor):
        return _times(scalars(x1), x2)
    exchanged = [*range(x2.ndim - 2), x2.ndim - 1, x2.ndim - 2]
    return np.swapaxes(_times(transpose(x2, exchanged), np.swapaxes(x1, -1, -2)), -1, -2)


def _times(x: SparseTensor, y: Any) -> Any:
    """The product of a sparse and a dense tensor, both of matrices."""
    if x.shape[-1] != y.shape[-2]:
        raise ValueError(f"matmul: shapes {x.shape} and {y.shape} do not fit")
    n, m, k = x.shape[-2], x.shape[-1], y.shape[-1]
    if x.ndim == 2:
        # The columns of all matrices beside one another.
        inner = y.ndim - 2
        columns = np.reshape(np.moveaxis(y, -2, 0), (m, -1))
        found = _one(x, columns)
        return np.moveaxis(np.reshape(found, (n, *y.shape[:-2], k)), 0, inner)
    batch = x.shape[:-2]
    if np.broadcast_shapes(batch, y.shape[:-2]) != batch:
        return np.matmul(x.todense(), y)
    count = math.prod(batch)
    # One matrix with those of the stack along its diagonal.
    stack = flat(x.coords[:-2], batch)
    diagonal = SparseTensor.of(
        (stack * n + x.coords[-2], stack * m + x.coords[-1]), x.values, (count * n, count * m)
    )
    below = np.reshape(np.broadcast_to(y, (*batch, m, k)), (count * m, k))
    return np.reshape(_one(diagonal, below), (*batch, n, k))


def _one(x: SparseTensor, y: Any) -> Any:
    rows, columns = x.coords
    return apply("sparse_matmul", x.values, rows, columns, y, size=x.shape[0])


def _sparse(x1: SparseTensor, x2: SparseTensor) -> SparseTensor:
    from scipy.sparse import coo_array

    if x1.shape[1] != x2.shape[0]:
        raise ValueError(f"matmul: shapes {x1.shape} and {x2.shape} do not fit")
    x1, x2 = compact(scalars(x1)), compact(scalars(x2))
    wide = np.float32 if x1.dtype.itemsize == 2 and x1.dtype.kind not in "iu" else x1.dtype
    one, other = (
        coo_array((np.asarray(x.values).astype(wide), x.coords), shape=x.shape).tocsr() for x in (x1, x2)
    )
    found = (one @ other).tocoo()
    return SparseTensor.of(found.coords, found.data.astype(x1.dtype), found.shape, True)
