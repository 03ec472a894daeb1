"""What generated programs call beside NumPy: operations for which NumPy has no function that writes into `out`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kerasflow.groups import current_group, offset
from kerasflow.primitives.collective import own_rank, part_of, random_bytes
from kerasflow.primitives.decompositions import cofactors, eig, lstsq, lu, solve_triangular
from kerasflow.primitives.indexing import SCATTER_UFUNCS, sorted_runs, top_k_places, unused_place
from kerasflow.primitives.random import philox, random_gamma_grad
from kerasflow_numpy.run.sparse import sparse_matmul

Array = np.ndarray[Any, Any]


def poison(array: Array) -> None:
    """Fill an array with 0xFF bytes: NaN in floating-point dtypes."""
    array.reshape(-1).view(np.uint8).fill(0xFF)


def random_bits(seed: Array, out: Array) -> None:
    """Fill `out` (contiguous, unsigned) with the Philox stream of a seed; see `kerasflow.primitives.random`."""
    words = -(-out.nbytes // 8)
    out.reshape(-1)[:] = philox(seed).random_raw(words).view(out.dtype)[: out.size]


def random_part(seed: Array, sizes: Sequence[int], size: int, out: Array) -> None:
    """Fill `out` (contiguous, unsigned) with this rank's rows, `size` of them, of the Philox stream of a seed."""
    begin = offset(sizes, own_rank(sizes, size)) * (out.nbytes // max(size, 1))
    out.reshape(-1)[:] = random_bytes(seed, begin, out.nbytes).view(out.dtype)


def all_reduce(arrays: Sequence[Array], outs: Sequence[Array]) -> None:
    """Fill `outs` with the sums of all ranks' arrays."""
    current_group().all_reduce(arrays, outs)


def all_gather(array: Array, axis: int, sizes: Sequence[int], out: Array) -> None:
    """Fill `out` with all ranks' arrays, joined along an axis."""
    current_group().all_gather(array, axis, sizes, out)


def barrier() -> None:
    """Wait until all ranks are here."""
    current_group().barrier()


def block(x: Array, *places: Array) -> tuple[Any, ...]:
    """The index of a block of x, whose places along each axis are consecutive: slices, which NumPy copies by rows.

    Args:
        places: arrays that broadcast to the block, as `np.ix_` makes them; an axis with a number is not in the block.
    """
    index: list[Any] = []
    for n, along in zip(x.shape, places, strict=False):
        begin, size = along.item(0), along.size
        if begin < 0 or begin + size > n:
            return places  # NumPy counts them from the end, or says what is wrong.
        index.append(slice(begin, begin + size) if along.ndim else begin)
    return tuple(index)


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
    order, starts, distinct = sorted_runs(flat, len(out))
    rows = np.broadcast_to(updates, index.shape + out.shape[1:]).reshape(flat.size, -1)
    out.reshape(len(out), -1)[distinct] += _run_sums(rows, order, starts)


def collect_rows(updates: Array, index: Array, size: int, outs: tuple[Array, Array]) -> None:
    """Fill `outs` with the sum of the updates of each place, zeros behind them, and the places; see the primitive."""
    rows, places = outs
    order, starts, distinct = sorted_runs(index, size)
    n = len(distinct)
    if n:
        rows[:n].reshape(n, -1)[...] = _run_sums(updates.reshape(len(updates), -1), order, starts)
    rows[n:] = 0
    places[:n] = distinct
    places[n:] = unused_place(distinct)


def _run_sums(rows: Array, order: Array, starts: Array) -> Array:
    """The sums of rows that stand one behind the other in an order, from each start to the next.

    As a product with a sparse matrix of ones: ten times as fast as `np.add.reduceat`, in the same order.
    """
    if rows.dtype.char not in "fd":
        return np.add.reduceat(rows[order], starts, axis=0)
    from scipy.sparse import csr_array

    ends = np.append(starts, len(order))
    ones = csr_array((np.ones(len(order), rows.dtype), order, ends), shape=(len(starts), len(rows)))
    return np.asarray(ones @ rows)


# atanh(erf(x)) / x as a polynomial in x**2, fitted on (0, 4.2] for erf's relative error: 1e-7 before rounding.
_ERF = np.array(
    [1.4185291e-07, -5.6684850e-06, 8.7637366e-05, -6.1978470e-04, -1.9183083e-04, 0.10276906, 1.1283793],
    np.float32,
)
# Beyond this, erf is 1 in float32.
_ERF_END = np.float32(4.2)
# Elements of float32 that are computed at a time: with their two temporary arrays they stay in the cache.
_PIECE = 1 << 15


def erf(x: Array, out: Array) -> None:
    """The error function of a float32 array, to three units in the last place.

    NumPy has a fast tanh, and `erf(x) = tanh(x * p(x**2))`: six times as fast as `scipy.special.erf`.
    """
    if not (x.flags.c_contiguous and out.flags.c_contiguous):
        _erf(x, out, np.empty(x.shape, np.float32), np.empty(x.shape, np.float32))
        return
    source, target = x.reshape(-1), out.reshape(-1)
    first, second = np.empty((2, min(_PIECE, x.size)), np.float32)
    for start in range(0, x.size, _PIECE):
        piece = target[start : start + _PIECE]
        n = piece.size
        _erf(source[start : start + n], piece, first[:n], second[:n])


def _erf(x: Array, out: Array, z: Array, square: Array) -> None:
    np.clip(x, -_ERF_END, _ERF_END, out=z)
    np.square(z, out=square)
    np.multiply(square, _ERF[0], out=out)
    for coefficient in _ERF[1:-1]:
        np.add(out, coefficient, out=out)
        np.multiply(out, square, out=out)
    np.add(out, _ERF[-1], out=out)
    np.multiply(out, z, out=out)
    np.tanh(out, out=out)


# What programs call; the functions from outside are the primitives' own.
__all__ = [
    "add_rows",
    "all_gather",
    "all_reduce",
    "barrier",
    "block",
    "cofactors",
    "collect_rows",
    "eig",
    "erf",
    "lstsq",
    "lu",
    "part_of",
    "poison",
    "random_bits",
    "random_gamma_grad",
    "random_part",
    "scatter",
    "solve_triangular",
    "sparse_matmul",
    "top_k_places",
]
