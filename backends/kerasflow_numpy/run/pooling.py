"""Max pooling and its derivative, some samples at a time, so that temporary arrays stay in a core's cache.

Where windows do not overlap, the maximum is taken one axis after the other, the
last first: the first of several largest elements, in C order, wins. Elsewhere
the primitives' own evaluation runs on a few samples at a time.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from kerasflow.primitives import PRIMITIVES
from kerasflow.primitives.convolution import Pairs, Sizes
from kerasflow_numpy.run import parallel

Array = np.ndarray[Any, Any]

# The largest array that is worked on at a time.
PIECE_BYTES = 1 << 20


class _Scratch:
    """Temporary arrays, in the same memory for one piece after the other: new memory is slow at its first touch."""

    def __init__(self) -> None:
        self.memory: list[Array] = []
        self.used = 0

    def array(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        """An array whose contents mean nothing."""
        nbytes = math.prod(shape) * dtype.itemsize
        if self.used == len(self.memory):
            self.memory.append(np.empty(nbytes, np.uint8))
        if self.memory[self.used].size < nbytes:
            self.memory[self.used] = np.empty(nbytes, np.uint8)
        self.used += 1
        return self.memory[self.used - 1][:nbytes].view(dtype).reshape(shape)


def _each(function: Callable[..., None], threads: int, *arrays: Array) -> None:
    """Call the function with scratch memory and the samples of all arrays, some at a time, on several threads."""
    n = len(arrays[0])
    largest = max(a.nbytes for a in arrays)
    step = max(min(PIECE_BYTES * n // max(largest, 1), -(-n // max(threads, 1))), 1)
    parts = [slice(i, min(i + step, n)) for i in range(0, n, step)]

    def run(*own: slice) -> None:
        scratch = _Scratch()
        for part in own:
            scratch.used = 0
            function(scratch, *(a[part] for a in arrays))

    count = min(threads, len(parts))
    parallel.each(
        run, [tuple(parts[len(parts) * k // count : len(parts) * (k + 1) // count]) for k in range(count)]
    )


def _is_apart(x: Array, window: Sizes, strides: Sizes, padding: Pairs) -> bool:
    """Whether the windows lie side by side, perhaps with a rest behind them."""
    return x.dtype.kind == "f" and window == strides and all(pair == (0, 0) for pair in padding)


def _covered(x: Array, window: Sizes) -> Array:
    """The part of x that windows cover."""
    return x[(slice(None), *(slice(n - n % k) for n, k in zip(x.shape[1:-1], window, strict=True)))]


def _split(x: Array, axis: int, k: int) -> list[Array]:
    """Every k-th slice along an axis, beginning with each of the first k."""
    return [x[(slice(None),) * axis + (slice(i, None, k),)] for i in range(k)]


def _stages(window: Sizes) -> list[tuple[int, int]]:
    """The axes along which to compare, and how many: the last first, so that the first in C order wins."""
    return [(axis, window[axis - 1]) for axis in range(len(window), 0, -1) if window[axis - 1] > 1]


def _largest(parts: list[Array], out: Array) -> Array:
    np.maximum(parts[0], parts[1], out=out)
    for part in parts[2:]:
        np.maximum(out, part, out=out)
    return out


def max_pool(x: Array, threads: int, out: Array, window: Sizes, strides: Sizes, padding: Pairs) -> None:
    """The primitive `max_pool`."""
    stages = _stages(window)

    def apart(scratch: _Scratch, x: Array, out: Array) -> None:
        x = _covered(x, window)
        for i, (axis, k) in enumerate(stages, start=1):
            parts = _split(x, axis, k)
            x = _largest(parts, out if i == len(stages) else scratch.array(parts[0].shape, x.dtype))

    def overlapping(_: _Scratch, x: Array, out: Array) -> None:
        evaluate = PRIMITIVES["max_pool"].evaluate
        np.copyto(out, evaluate(x, window=window, strides=strides, padding=padding))

    if out.size:
        _each(apart if stages and _is_apart(x, window, strides, padding) else overlapping, threads, x, out)


def max_pool_vjp(
    x: Array, g: Array, threads: int, out: Array, window: Sizes, strides: Sizes, padding: Pairs
) -> None:
    """The primitive `max_pool_vjp`."""
    stages = _stages(window)

    def apart(scratch: _Scratch, x: Array, g: Array, out: Array) -> None:
        x, covered = _covered(x, window), _covered(out, window)
        if covered.shape != out.shape:
            out.fill(0)
        choices = []
        for axis, k in stages:
            parts = _split(x, axis, k)
            choices.append(_choices(scratch, parts))
            if len(choices) < len(stages):
                x = _largest(parts, scratch.array(parts[0].shape, x.dtype))
        for (axis, k), masks in zip(reversed(stages), reversed(choices), strict=True):
            shape = (*g.shape[:axis], g.shape[axis] * k, *g.shape[axis + 1 :])
            spread = covered if axis == stages[0][0] else scratch.array(shape, g.dtype)
            _spread(g, masks, _split(spread, axis, k))
            g = spread

    def overlapping(_: _Scratch, x: Array, g: Array, out: Array) -> None:
        evaluate = PRIMITIVES["max_pool_vjp"].evaluate
        np.copyto(out, evaluate(x, g, window=window, strides=strides, padding=padding))

    fast = stages and g.dtype == x.dtype and _is_apart(x, window, strides, padding)
    if out.size:
        _each(apart if fast else overlapping, threads, x, g, out)


def _choices(scratch: _Scratch, parts: list[Array]) -> list[Array]:
    """For each part but the first integers of all ones where it is larger than all before it, else zeros.

    That is the sign of a difference: comparing, and making a mask of a boolean, takes NumPy twice as long.
    """
    word = np.dtype(f"i{parts[0].itemsize}")
    shape, dtype = parts[0].shape, parts[0].dtype
    best, masks = parts[0], []
    for i, part in enumerate(parts[1:], start=2):
        smaller = np.subtract(best, part, out=scratch.array(shape, dtype))
        mask = np.add(smaller, 0, out=smaller).view(word)  # -0 - 0 is -0, which is not smaller
        masks.append(np.right_shift(mask, 8 * word.itemsize - 1, out=mask))
        if i < len(parts):
            best = np.maximum(best, part, out=scratch.array(shape, dtype))
    return masks


def _spread(g: Array, masks: list[Array], out: list[Array]) -> None:
    """Give g to the last part whose mask is set, to the first part where none is, and zeros to the others."""
    rest = g.view(masks[0].dtype)
    for mask, part in zip(reversed(masks), reversed(out[1:]), strict=True):
        given = part.view(mask.dtype)
        np.bitwise_and(rest, mask, out=given)
        last = mask is masks[0]
        rest = np.bitwise_xor(rest, given, out=out[0].view(mask.dtype) if last else None)


def max_pool_take(
    x: Array, values: Array, threads: int, out: Array, window: Sizes, strides: Sizes, padding: Pairs
) -> None:
    """The primitive `max_pool_take`."""

    def take(_: _Scratch, x: Array, values: Array, out: Array) -> None:
        evaluate = PRIMITIVES["max_pool_take"].evaluate
        np.copyto(out, evaluate(x, values, window=window, strides=strides, padding=padding))

    if out.size:
        _each(take, threads, x, values, out)
