"""What ranks of a group do together, and what depends on a rank's number (`kerasflow.groups`).

A program that is cut for several ranks has the same text on each: which rows are its own, a rank knows when it runs.
Meetings happen in the order in which they stand in the graph, on every backend.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from kerasflow.graph import Primitive, ShapedArray
from kerasflow.groups import current_group, offset
from kerasflow.primitives.random import philox

# Where ranks meet.
MEETINGS = frozenset(("all_reduce", "all_gather"))


def own_rank(sizes: Sequence[int], size: int) -> int:
    """This rank's number; outside of such a group, that of the first rank whose part has that size."""
    group = current_group()
    return group.rank if group.size == len(sizes) else sizes.index(size)


def all_reduce(*arrays: Any) -> tuple[Any, ...]:
    """The sums of all ranks' arrays."""
    outs = tuple(np.empty(np.shape(x), np.asarray(x).dtype) for x in arrays)
    current_group().all_reduce(tuple(map(np.asarray, arrays)), outs)
    return outs


def all_gather(x: Any, axis: int, sizes: tuple[int, ...], size: int) -> Any:
    """All ranks' parts, joined along an axis, of which each has `sizes[rank]`."""
    x = np.asarray(x)
    out = np.empty((*x.shape[:axis], sum(sizes), *x.shape[axis + 1 :]), x.dtype)
    if current_group().size == len(sizes):
        current_group().all_gather(x, axis, sizes, out)
    else:  # one rank of them alone, as a test may ask: its part is every part
        begin = 0
        for n in sizes:
            part = np.take(x, np.arange(n) % max(size, 1), axis)
            out[(slice(None),) * axis + (slice(begin, begin + n),)] = part
            begin += n
    return out


def _gathered(x: ShapedArray, axis: int, sizes: tuple[int, ...], size: int) -> ShapedArray:
    if not (0 <= axis < x.ndim and x.shape[axis] == size and size in sizes):
        raise ValueError(f"all_gather: {x} is no part of {size} along axis {axis} of {sizes}")
    return ShapedArray((*x.shape[:axis], sum(sizes), *x.shape[axis + 1 :]), x.dtype)


def part_of(x: Any, axis: int, sizes: tuple[int, ...], size: int) -> Any:
    """This rank's part of an array that is the same on all: a view."""
    begin = offset(sizes, own_rank(sizes, size))
    return x[(slice(None),) * axis + (slice(begin, begin + size),)]


def _part(x: ShapedArray, axis: int, sizes: tuple[int, ...], size: int) -> ShapedArray:
    if not (0 <= axis < x.ndim and x.shape[axis] == sum(sizes) and size in sizes):
        raise ValueError(f"own_part: {x} has no parts {sizes} along axis {axis}")
    return ShapedArray((*x.shape[:axis], size, *x.shape[axis + 1 :]), x.dtype)


def random_part(
    seed: Any, shape: tuple[int, ...], dtype: np.dtype[Any], sizes: tuple[int, ...], size: int
) -> Any:
    """This rank's rows of `random_bits(seed, shape, dtype)`, and no others are drawn."""
    row = math.prod(shape[1:]) * dtype.itemsize
    begin = offset(sizes, own_rank(sizes, size)) * row
    return random_bytes(seed, begin, size * row).view(dtype).reshape((size, *shape[1:]))


def random_bytes(seed: Any, begin: int, count: int) -> np.ndarray[Any, Any]:
    """`count` bytes of a seed's stream from byte `begin` on."""
    bits = philox(seed)
    counter, inside = divmod(begin, 32)  # four words of 64 bits a counter
    bits.advance(counter)
    words = -(-(inside + count) // 8)
    return np.ascontiguousarray(bits.random_raw(words)).view(np.uint8)[inside : inside + count]


def _random_rule(
    seed: ShapedArray, shape: tuple[int, ...], dtype: np.dtype[Any], sizes: tuple[int, ...], size: int
) -> ShapedArray:
    if seed.shape != (2,) or seed.dtype.kind not in "ui":
        raise ValueError(f"a seed is two integers, received {seed}")
    if not shape or shape[0] != sum(sizes) or size not in sizes:
        raise ValueError(f"random_part: an array of shape {shape} has no parts {sizes}")
    return ShapedArray((size, *shape[1:]), dtype)


def _reduced(*avals: ShapedArray) -> tuple[ShapedArray, ...]:
    if any(aval.dtype.kind == "b" for aval in avals):
        raise ValueError("all_reduce: booleans have no sum")
    return avals


PRIMITIVES: tuple[Primitive, ...] = (
    Primitive("all_reduce", all_reduce, _reduced, multiple_results=True, ranked=True),
    Primitive("all_gather", all_gather, _gathered, ranked=True),
    Primitive("own_part", part_of, _part, view=True, ranked=True),
    Primitive("random_part", random_part, _random_rule, ranked=True),
)
