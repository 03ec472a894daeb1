"""Depthwise convolution, each channel with kernels of its own: products of shifted arrays, added up.

Kernels are `(*window, 1, channels * multiplier)`. With a multiplier, the input's
channels are repeated, so that each has one kernel.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from kerasflow_numpy.run.patches import PATCH_BYTES, Geometry, Piece, Region, pieces

Array = np.ndarray[Any, Any]


def _pieces(g: Geometry, y: Array) -> tuple[Piece, ...]:
    return pieces(g, len(y), math.prod(y.shape[2:]) * y.itemsize, PATCH_BYTES // 2)


def _source(region: Region, piece: Piece, filters: int) -> Array:
    """The padded input of a piece, with a channel for each filter."""
    source = region(piece)
    return source if source.shape[-1] == filters else np.repeat(source, filters // source.shape[-1], axis=-1)


def _row(kernel: Array, place: tuple[int, ...], y: Array) -> Array:
    """A kernel's numbers at one place, repeated along the last spatial axis: one long run for NumPy's loop."""
    # In this order; that of the repeated numbers, which `np.array` keeps, has the channels apart.
    return np.array(np.broadcast_to(kernel[place][0], y.shape[-2:]), order="C")


def convolve(g: Geometry, x: Array, kernel: Array, out: Array) -> None:
    filters, region = kernel.shape[-1], Region(x)
    for piece in _pieces(g, out):
        source, total = _source(region, piece, filters), out[piece.samples, piece.rows]
        product = np.empty(total.shape, total.dtype)
        for i, (place, seen) in enumerate(g.seen(piece)):
            np.multiply(source[seen], _row(kernel, place, total), out=product if i else total)
            if i:
                np.add(total, product, out=total)


def transpose(g: Geometry, y: Array, kernel: Array, out: Array) -> None:
    filters, channels = kernel.shape[-1], out.shape[-1]
    out.fill(0)
    for piece in _pieces(g, y):
        part = y[piece.samples, piece.rows]
        product = np.empty(part.shape, part.dtype)
        sums = np.zeros((piece.count, *piece.padded, filters), y.dtype)
        for place, seen in g.seen(piece):
            np.multiply(part, _row(kernel, place, part), out=product)
            np.add(sums[seen], product, out=sums[seen])
        if filters != channels:
            sums = sums.reshape(*sums.shape[:-1], channels, filters // channels).sum(axis=-1)
        inside = out[(piece.samples, *piece.source)]
        np.add(inside, sums[(slice(None), *piece.target)], out=inside)


def correlate(g: Geometry, x: Array, y: Array, out: Array) -> None:
    filters, region = y.shape[-1], Region(x)
    out.fill(0)
    for piece in _pieces(g, y):
        source, part = _source(region, piece, filters), y[piece.samples, piece.rows]
        product = np.empty(part.shape, part.dtype)
        ones = np.ones(part.size // filters, part.dtype)
        for place, seen in g.seen(piece):
            np.multiply(source[seen], part, out=product)
            out[place][0] += ones @ product.reshape(-1, filters)
