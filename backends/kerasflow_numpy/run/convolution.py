"""Convolution and its two transposes as products of matrices of patches, piece by piece."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from kerasflow.primitives import PRIMITIVES
from kerasflow.primitives.convolution import Sizes
from kerasflow_numpy.run import depthwise, parallel
from kerasflow_numpy.run.patches import PATCH_BYTES, Geometry, Memory, lines, patches, pieces, scratch

Array = np.ndarray[Any, Any]


def _convolve(g: Geometry, x: Array, kernel: Array, out: Array) -> None:
    filters = kernel.shape[-1]
    weights = kernel.reshape(-1, filters)
    if g.is_product:
        np.matmul(x.reshape(-1, x.shape[-1]), weights, out=out.reshape(-1, filters))
    elif g.has_lines:
        by_line, memory = kernel.reshape(g.window[0], -1, filters), Memory(x.dtype)
        for piece, found in lines(g, x, filters, PATCH_BYTES):
            target = out[piece.samples, piece.rows].reshape(piece.count, -1, filters)
            np.matmul(found[0], by_line[0], out=target)
            term = scratch(memory, target.shape)
            for line, line_weights in zip(found[1:], by_line[1:], strict=True):
                np.matmul(line, line_weights, out=term)
                np.add(target, term, out=target)
    else:
        for piece, patch in patches(g, x, PATCH_BYTES):
            np.matmul(patch, weights, out=out[piece.samples, piece.rows].reshape(-1, filters))


def _transpose(g: Geometry, y: Array, kernel: Array, out: Array) -> None:
    filters = kernel.shape[-1]
    if g.is_product:
        np.matmul(y.reshape(-1, filters), kernel.reshape(-1, filters).T, out=out.reshape(-1, out.shape[-1]))
    elif all(d == 1 or s == 1 for d, s in zip(g.dilation, g.strides, strict=True)) and 4 * math.prod(
        g.sizes
    ) <= 5 * math.prod(g.outputs) * math.prod(g.strides):
        _convolve_back(g, y, kernel, out)
    else:
        _spread(g, y, kernel, out)


def _convolve_back(g: Geometry, y: Array, kernel: Array, out: Array) -> None:
    """With about as many results as inputs it is a convolution, of the kernel reversed.

    With strides it is several: each of the inputs' phases sees every so manieth place of the kernel.
    """
    for phase in itertools.product(*map(range, g.strides)):
        target = out[(slice(None), *(slice(p, None, s) for p, s in zip(phase, g.strides, strict=True)))]
        places, padding = [], []
        for p, k, s, d, (before, _), n, m in zip(
            phase, g.window, g.strides, g.dilation, g.padding, g.outputs, target.shape[1:-1], strict=True
        ):
            first = (p + before) % s
            places.append(np.arange(first, k, s)[::-1])
            reach = (len(places[-1]) - 1) * d
            ahead = reach - (p + before - first) // s
            padding.append((ahead, m + reach - ahead - n))
        if 0 in target.shape or any(not len(found) for found in places):
            target.fill(0)
            continue
        weights = np.ascontiguousarray(kernel[np.ix_(*places)].swapaxes(-1, -2))
        result = target if target.flags.c_contiguous else np.empty(target.shape, target.dtype)
        ones = (1,) * len(phase)
        part = Geometry(
            g.outputs,
            target.shape[1:-1],
            weights.shape[-2],
            weights.shape[:-2],
            ones,
            tuple(padding),
            g.dilation,
        )
        _convolve(part, y, weights, result)
        if result is not target:
            np.copyto(target, result)


def _spread(g: Geometry, y: Array, kernel: Array, out: Array) -> None:
    """Place by place of the window: a product, added to where it belongs."""
    filters = kernel.shape[-1]
    by_place = [np.ascontiguousarray(kernel[place].T) for place in g.places]
    row = math.prod(g.outputs[1:]) * (g.channels + filters) * y.itemsize
    terms, sums = Memory(y.dtype), Memory(y.dtype)
    out.fill(0)
    for piece in pieces(g, len(y), row, PATCH_BYTES // 2):
        part = y[piece.samples, piece.rows]
        term = scratch(terms, (*part.shape[:-1], g.channels))
        whole = g.is_padded or out.shape[1:-1] != piece.padded
        target = scratch(sums, (piece.count, *piece.padded, g.channels)) if whole else out[piece.samples]
        if whole:
            target.fill(0)
        for weights, (_, seen) in zip(by_place, g.seen(piece), strict=True):
            np.matmul(part.reshape(-1, filters), weights, out=term.reshape(-1, g.channels))
            np.add(target[seen], term, out=target[seen])
        if whole:
            inside = out[(piece.samples, *piece.source)]
            np.add(inside, target[(slice(None), *piece.target)], out=inside)


def _correlate(g: Geometry, x: Array, y: Array, out: Array) -> None:
    filters = y.shape[-1]
    total = out.reshape(-1, filters)
    if g.is_product:
        np.matmul(x.reshape(-1, x.shape[-1]).T, y.reshape(-1, filters), out=total)
        return
    total.fill(0)
    if g.has_lines and out.nbytes <= PATCH_BYTES:
        by_line = out.reshape(g.window[0], -1, filters)
        for piece, found in lines(g, x, filters, PATCH_BYTES):
            part = y[piece.samples, piece.rows].reshape(piece.count, -1, filters)
            for line, line_total in zip(found, by_line, strict=True):
                for one, result in zip(line, part, strict=True):
                    np.add(line_total, one.T @ result, out=line_total)
        return
    # Each piece costs an addition of the whole kernel: for a large kernel pieces are larger.
    term = np.empty_like(total)
    for piece, patch in patches(g, x, max(PATCH_BYTES, 2 * out.nbytes)):
        np.matmul(patch.T, y[piece.samples, piece.rows].reshape(-1, filters), out=term)
        np.add(total, term, out=total)


def _by_group(function: Callable[..., None], groups: int, g: Geometry, *arrays: Array) -> None:
    """Group by group; the last array is filled."""
    if groups == 1:
        function(g, *arrays)
        return
    *operands, out = arrays
    for i in range(groups):
        parts = [np.ascontiguousarray(_group(a, i, groups)) for a in operands]
        target = _group(out, i, groups)
        result = np.empty(target.shape, target.dtype)
        function(g, *parts, result)
        np.copyto(target, result)


def _group(array: Array, i: int, groups: int) -> Array:
    size = array.shape[-1] // groups
    return array[..., i * size : (i + 1) * size]


def _geometry(x: Sizes, y: Sizes, window: Sizes, params: dict[str, Any]) -> Geometry:
    channels = x[-1] // params["groups"]
    return Geometry(
        x[1:-1], y[1:-1], channels, window, params["strides"], params["padding"], params["dilation"]
    )


def _is_slow(*arrays: Array) -> bool:
    """Whether BLAS has no product for them, or there is nothing to compute."""
    return arrays[0].dtype.char not in "fd" or any(a.size == 0 for a in arrays)


def _batches(n: int, threads: int) -> list[tuple[slice]]:
    parts = min(n, threads)
    return [(slice(n * k // parts, n * (k + 1) // parts),) for k in range(parts)]


def convolve(x: Array, kernel: Array, threads: int, out: Array, **params: Any) -> None:
    """The primitive `convolution` of contiguous arrays, the samples shared out among threads."""
    if _is_slow(x, kernel, out):
        np.copyto(out, PRIMITIVES["convolution"].evaluate(x, kernel, **params))
        return
    groups, g = params["groups"], _geometry(x.shape, out.shape, kernel.shape[:-2], params)
    one = depthwise.convolve if g.channels == 1 and groups > 1 else _convolve
    own = 1 if one is not _convolve else groups

    def run(part: slice) -> None:
        _by_group(one, own, g, x[part], kernel, out[part])

    parallel.each(run, _batches(len(x), threads))


def transpose(y: Array, kernel: Array, threads: int, out: Array, sizes: Sizes, **params: Any) -> None:
    """The primitive `convolution_transpose` of contiguous arrays, the samples shared out among threads."""
    if _is_slow(y, kernel, out):
        np.copyto(out, PRIMITIVES["convolution_transpose"].evaluate(y, kernel, sizes=sizes, **params))
        return
    groups, g = params["groups"], _geometry(out.shape, y.shape, kernel.shape[:-2], params)
    one = depthwise.transpose if g.channels == 1 and groups > 1 else _transpose
    own = 1 if one is not _transpose else groups

    def run(part: slice) -> None:
        _by_group(one, own, g, y[part], kernel, out[part])

    parallel.each(run, _batches(len(y), threads))


def correlate(x: Array, y: Array, threads: int, out: Array, sizes: Sizes, **params: Any) -> None:
    """The primitive `convolution_kernel` of contiguous arrays; each thread adds up a part of the samples."""
    if _is_slow(x, y, out):
        np.copyto(out, PRIMITIVES["convolution_kernel"].evaluate(x, y, sizes=sizes, **params))
        return
    groups, g = params["groups"], _geometry(x.shape, y.shape, sizes, params)
    one = depthwise.correlate if g.channels == 1 and groups > 1 else _correlate
    own = 1 if one is not _correlate else groups
    batches = _batches(len(x), threads)
    sums = [out, *(np.empty_like(out) for _ in batches[1:])]

    def run(part: slice, total: Array) -> None:
        _by_group(one, own, g, x[part], y[part], total)

    parallel.each(run, [(*batch, total) for batch, total in zip(batches, sums, strict=True)])
    for total in sums[1:]:
        np.add(out, total, out=out)
