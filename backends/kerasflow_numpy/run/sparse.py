"""Products of sparse matrices, by SciPy's loops over the numbers that are stored."""

from __future__ import annotations

from typing import Any

import numpy as np

from kerasflow.primitives.indexing import out_of_bounds

Array = np.ndarray[Any, Any]

# A result with so many times more rows than numbers are stored is made of the rows that they are in (measured: from
# there on that is faster, and takes less memory).
_MANY = 2


def sparse_matmul(values: Array, rows: Array, columns: Array, dense: Array, out: Array) -> None:
    """Fill `out` with the product of a sparse matrix, of which numbers and places are given, and a dense one."""
    size = dense.shape[0]
    rows, columns = _inside(rows, out.shape[0], 0), _inside(columns, size, 1)
    if out.shape[0] <= _MANY * rows.size:
        np.copyto(out, _product(values, rows, columns, dense, out.shape[0]), casting="same_kind")
        return
    out.fill(0)
    is_touched = np.zeros(out.shape[0], bool)
    is_touched[rows] = True
    touched = np.flatnonzero(is_touched)
    place = np.empty(out.shape[0], rows.dtype)
    place[touched] = np.arange(len(touched))
    out[touched] = _product(values, place[rows], columns, dense, len(touched))


def _inside(places: Array, size: int, axis: int) -> Array:
    """Places counted from the beginning.

    Raises:
        IndexError: one is outside.
    """
    if (error := out_of_bounds(places, size, axis)) is not None:
        raise error
    return np.where(places < 0, places + size, places) if (places < 0).any() else places


def _product(values: Array, rows: Array, columns: Array, dense: Array, size: int) -> Array:
    from scipy.sparse import coo_array  # Few programs have a sparse matrix, and it takes a while.

    if dense.dtype.itemsize == 2 and dense.dtype.kind != "i" and dense.dtype.kind != "u":
        values, dense = values.astype(np.float32), dense.astype(np.float32)
    result: Array = coo_array((values, (rows, columns)), shape=(size, dense.shape[0])) @ dense
    return result
