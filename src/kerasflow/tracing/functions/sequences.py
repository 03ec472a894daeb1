"""Correlation, convolution and histograms of sequences of numbers, and geometric progressions, on tracers."""

from __future__ import annotations

from typing import Any

import numpy as np

from kerasflow.tracing.functions.creation import linspace
from kerasflow.tracing.functions.indexing import take
from kerasflow.tracing.functions.missing import unknown_function
from kerasflow.tracing.normalize import as_operand, cast, common_dtype, promote
from kerasflow.tracing.trace import apply


def correlate(a: Any, v: Any, mode: str = "valid") -> Any:
    return _sliding_products(as_operand(a), np.conjugate(as_operand(v)), mode)


def convolve(a: Any, v: Any, mode: str = "full") -> Any:
    a, v = as_operand(a), as_operand(v)
    if v.shape[0] > a.shape[0]:
        a, v = v, a
    return _sliding_products(a, np.flip(v), mode)


def _sliding_products(a: Any, v: Any, mode: str) -> Any:
    """The products of the shorter sequence with all pieces of the longer one, which zeros go on."""
    if a.ndim != 1 or v.ndim != 1 or not a.shape[0] or not v.shape[0]:
        raise ValueError(f"two sequences of numbers are needed, received shapes {a.shape} and {v.shape}")
    a, v = promote([a, v])
    swapped = v.shape[0] > a.shape[0]
    if swapped:
        a, v = v, a
    n = v.shape[0]
    before = {"full": n - 1, "same": n // 2, "valid": 0}[mode]
    after = {"full": n - 1, "same": n - n // 2 - 1, "valid": 0}[mode]
    padded = np.pad(a, (before, after))
    if a.dtype.kind == "f":  # Backends have kernels for these, which do not lay out all pieces at once.
        once: dict[str, Any] = {"strides": (1,), "padding": ((0, 0),), "dilation": (1,), "groups": 1}
        signal, kernel = np.reshape(padded, (1, -1, 1)), np.reshape(v, (n, 1, 1))
        result = np.reshape(apply("convolution", signal, kernel, **once), -1)
    else:
        places = np.arange(padded.shape[0] - n + 1)[:, None] + np.arange(n)
        result = np.matmul(take(padded, places), v)
    return np.flip(result) if swapped else result


def histogram(a: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None) -> Any:
    """Counts, and the edges of the bins; of several bins each has its lower edge, the last one both."""
    if isinstance(bins, str):
        raise unknown_function(f"np.histogram(bins={bins!r}) (the number of bins would depend on values)")
    a = np.ravel(as_operand(a))
    if np.ndim(bins):
        edges = as_operand(bins)
    else:
        low, high = (np.min(a), np.max(a)) if range is None else range
        kind = common_dtype(low, high, a)
        kind = np.dtype(np.float64) if kind.kind in "iub" else kind
        low, high = cast(low, kind), cast(high, kind)
        half = np.where(low == high, np.asarray(0.5, kind), np.asarray(0, kind))
        edges = linspace(low - half, high + half, int(bins) + 1)
    count = edges.shape[0] - 1
    x, sorted_edges = promote([a, edges])
    places = apply("searchsorted", sorted_edges, x, side="right") - 1
    places = np.where(x == sorted_edges[-1], count - 1, places)
    # What falls outside, or is no number, counts into one place more, which is dropped.
    inside = np.logical_and(x >= sorted_edges[0], x <= sorted_edges[-1])
    weights = np.ones(x.shape, np.intp) if weights is None else np.ravel(as_operand(weights))
    counts = apply(
        "scatter", np.zeros(count + 1, weights.dtype), weights, np.where(inside, places, count), mode="add"
    )[:count]
    if density:
        counts = counts / np.diff(edges) / np.sum(counts)
    return counts, edges


def geomspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0
) -> Any:
    compute = common_dtype(as_operand(start), as_operand(stop), np.zeros((), dtype))
    start, stop = np.broadcast_arrays(cast(start, compute), cast(stop, compute))
    # Numbers of one sign: a negative progression is the negative of a positive one.
    sign = np.where(np.logical_and(start < 0, stop < 0), np.asarray(-1, compute), np.asarray(1, compute))
    powers = np.power(
        np.asarray(10, compute), linspace(np.log10(start * sign), np.log10(stop * sign), num, endpoint)
    )
    result = powers * sign
    # The ends are exact.
    ends = [np.expand_dims(start, 0), result[1:]] if num > 0 else [result]
    if endpoint and num > 1:
        ends = [np.expand_dims(start, 0), result[1:-1], np.expand_dims(stop, 0)]
    result = np.moveaxis(np.concatenate(ends), 0, axis)
    return result if dtype is None else cast(result, dtype)


FUNCTIONS = {
    np.correlate: correlate,
    np.convolve: convolve,
    np.histogram: histogram,
    np.geomspace: geomspace,
}
