"""What generated programs call beside NumPy: operations for which NumPy has no function that writes into `out`."""

from __future__ import annotations

from typing import Any

import numpy as np

from kerasflow.primitives.indexing import SCATTER_UFUNCS
from kerasflow.primitives.random import philox

Array = np.ndarray[Any, Any]


def poison(array: Array) -> None:
    """Fill an array with 0xFF bytes: NaN in floating-point dtypes."""
    array.reshape(-1).view(np.uint8).fill(0xFF)


def random_bits(seed: Array, out: Array) -> None:
    """Fill `out` (contiguous, unsigned) with the Philox stream of a seed; see `kerasflow.primitives.random`."""
    words = -(-out.nbytes // 8)
    out.reshape(-1)[:] = philox(seed).random_raw(words).view(out.dtype)[: out.size]


def scatter(out: Array, updates: Array, *indices: Array, mode: str) -> None:
    """Combine updates into `out` at indices of its first axes, in place."""
    ufunc = SCATTER_UFUNCS[mode]
    if ufunc is None:
        out[indices] = updates
    elif mode == "add" and len(indices) == 1 and out.ndim > 1 and indices[0].size > 16:
        add_rows(out, updates, indices[0])
    else:
        ufunc.at(out, indices, updates)


def add_rows(out: Array, updates: Array, index: Array) -> None:
    """`out[index] += updates` with repeated indices added up: rows sorted and summed in runs.

    Several times as fast as `np.add.at`, whose inner loop is one element.
    """
    flat = index.reshape(-1)
    if flat.min() < -len(out) or flat.max() >= len(out):
        raise IndexError(
            f"index {flat.min()} to {flat.max()} is out of bounds for axis 0 with size {len(out)}"
        )
    flat = np.where(flat < 0, flat + len(out), flat)  # Otherwise one row would have two numbers.
    rows = np.broadcast_to(updates, index.shape + out.shape[1:]).reshape(flat.size, -1)
    order = np.argsort(flat, kind="stable")
    ordered = flat[order]
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    out.reshape(len(out), -1)[ordered[starts]] += np.add.reduceat(rows[order], starts, axis=0)
