"""Blocks of arrays and scattered elements, taken out and put in."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import Any

import numpy as np

from kerasflow import tracing
from kerasflow.bridge.ops.tensors import tensor
from kerasflow.tracing import Tracer, apply, at_user_line
from kerasflow.tracing.indexing import block_start
from kerasflow.tracing.trace import sizes_are_real


def _columns(indices: Any) -> list[Any]:
    """The last axis of an index array as separate arrays, one for each indexed axis."""
    indices = tensor(indices)
    return [indices[..., i] for i in range(indices.shape[-1])]


def scatter(indices: Any, values: Any, shape: Sequence[int]) -> Any:
    """Zeros of a shape with values added at indices."""
    values = tensor(values)
    return apply("scatter", np.zeros(tuple(shape), values.dtype), values, *_columns(indices), mode="add")


_REDUCTIONS = {None: "set", "add": "add", "max": "maximum", "min": "minimum", "mul": "multiply"}


def scatter_update(inputs: Any, indices: Any, updates: Any, reduction: str | None = None) -> Any:
    """The inputs with updates set or combined at indices."""
    if reduction not in _REDUCTIONS:
        raise ValueError(f"Unsupported reduction: {reduction}; it is one of {list(_REDUCTIONS)}")
    inputs = tensor(inputs)
    updates = tensor(updates, inputs.dtype)
    return apply("scatter", inputs, updates, *_columns(indices), mode=_REDUCTIONS[reduction])


def _starts(start_indices: Any, sizes: Sequence[int], shape: Sequence[int]) -> tuple[list[Any], bool]:
    """The start of a block on each axis, counted from the beginning, and whether they are integers.

    Raises:
        IndexError: the block reaches outside of the array. If its start is traced, the program raises it.
    """
    if isinstance(start_indices, Tracer):
        start_indices = [start_indices[i] for i in range(len(sizes))]
    if min(shape, default=0) < 0:
        raise ValueError(f"The shape of a block has no negative sizes; received {tuple(shape)}.")
    known = not any(isinstance(s, Tracer) for s in start_indices)
    starts = []
    for axis, (start, size, n) in enumerate(zip(start_indices, sizes, shape, strict=True)):
        if isinstance(start, Tracer):
            starts.append(block_start(tracing.cast(start, np.int64), size))
            continue
        begin = int(start) + (size if int(start) < 0 else 0)
        if sizes_are_real() and not 0 <= begin <= begin + n <= size:
            outside = int(start) if begin < 0 else max(begin, size)
            raise IndexError(
                at_user_line(
                    f"index {outside} is out of bounds for axis {axis} with size {size}: the block there begins at "
                    f"{int(start)} and has {n} entries; it is of shape {tuple(shape)}, the array of {tuple(sizes)}"
                )
            )
        starts.append(begin)
    return starts, known


def slice(inputs: Any, start_indices: Any, shape: Sequence[int]) -> Any:
    """The block of the given shape that begins at `start_indices`, which may be traced."""
    if len(start_indices) != len(shape):
        raise ValueError(
            "Length of `start_indices` must match length of `shape`. "
            f"Received: start_indices={start_indices}, shape={shape}"
        )
    inputs = tensor(inputs)
    starts, known = _starts(start_indices, inputs.shape, shape)
    if known:
        return inputs[tuple(builtins.slice(s, s + n) for s, n in zip(starts, shape, strict=True))]
    return apply("gather", inputs, *_grid(starts, shape))


def slice_update(inputs: Any, start_indices: Any, updates: Any) -> Any:
    """The inputs with the block that begins at `start_indices` replaced."""
    inputs = tensor(inputs)
    updates = tensor(updates, inputs.dtype)
    starts, known = _starts(start_indices, inputs.shape, updates.shape)
    if known:
        index = tuple((s, s + n, 1) for s, n in zip(starts, updates.shape, strict=True))
        return apply("setitem", inputs, updates, index=index)
    return apply("scatter", inputs, updates, *_grid(starts, updates.shape), mode="set")


def _grid(starts: Sequence[Any], shape: Sequence[int]) -> list[Any]:
    """Open index arrays of a block, as `np.ix_` makes them."""
    ndim = len(shape)
    places = []
    for axis, (start, n) in enumerate(zip(starts, shape, strict=True)):
        line = np.arange(n) + tracing.cast(tensor(start), np.int64)
        places.append(np.reshape(line, tuple(n if i == axis else 1 for i in range(ndim))))
    return places
