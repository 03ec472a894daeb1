"""Patches: the parts of a convolution's input that the elements of its result are made of.

A matrix of all patches would be `window` times as large as the input. Here the
result is cut into pieces, some samples or some rows of one sample, and the patches
of one piece after the other are laid out in the same memory.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from kerasflow.primitives.convolution import Pairs, Sizes

Array = np.ndarray[Any, Any]

# The memory for patches; one row of the result is the least. A quarter of it would stay in a core's own cache, but
# threads that change pieces so often wait for each other.
PATCH_BYTES = 1 << 21
# With fewer channels than this, patches are laid out place by place: longer runs to copy.
FEW_CHANNELS = 8


@dataclass(frozen=True)
class Geometry:
    """The shapes of a convolution without groups.

    Attributes:
        sizes: the input's spatial shape. outputs: the result's. channels: the input's.
        window, strides, dilation: a number for each spatial axis. padding: a pair for each.
    """

    sizes: Sizes
    outputs: Sizes
    channels: int
    window: Sizes
    strides: Sizes
    padding: Pairs
    dilation: Sizes

    @property
    def width(self) -> int:
        """The elements of a patch."""
        return math.prod(self.window) * self.channels

    @property
    def is_product(self) -> bool:
        """Whether it is a product of matrices as it stands."""
        return (
            all(k == s == 1 for k, s in zip(self.window, self.strides, strict=True))
            and self.outputs == self.sizes
            and not self.is_padded
        )

    @property
    def has_lines(self) -> bool:
        """Whether `lines` are worth while: rows that overlap, and are long enough for a product."""
        return (
            len(self.window) > 1
            and self.window[0] > 1
            and self.strides[0] == 1
            and self.channels >= FEW_CHANNELS
        )

    @property
    def is_padded(self) -> bool:
        return any(pair != (0, 0) for pair in self.padding)

    @property
    def places(self) -> Iterator[Sizes]:
        """The index of each place in the window."""
        return itertools.product(*map(range, self.window))

    def seen(self, piece: Piece) -> list[tuple[Sizes, tuple[slice, ...]]]:
        """For each place in the window its index, and what of a piece's padded input lies there."""
        outputs = (piece.rows.stop - piece.rows.start, *self.outputs[1:])
        return [
            (
                place,
                (
                    slice(None),
                    *(
                        slice(i * d, i * d + (n - 1) * s + 1, s)
                        for i, d, s, n in zip(place, self.dilation, self.strides, outputs, strict=True)
                    ),
                ),
            )
            for place in self.places
        ]


@dataclass(frozen=True)
class Piece:
    """Some samples (all rows) or some rows of one sample of the result, and the input that they are made of.

    Attributes:
        samples, rows: of the result. padded: the spatial shape of that input with its padding.
        source: the spatial slices of the input that are inside of it. target: where they lie in `padded`.
    """

    samples: slice
    rows: slice
    padded: Sizes
    source: tuple[slice, ...]
    target: tuple[slice, ...]

    @property
    def count(self) -> int:
        return int(self.samples.stop - self.samples.start)


@lru_cache(maxsize=512)
def pieces(geometry: Geometry, samples: int, row_bytes: int, limit: int) -> tuple[Piece, ...]:
    """The pieces of a result of which one row takes `row_bytes`."""
    g = geometry
    rows = g.outputs[0]
    many = limit // max(row_bytes * rows, 1)
    if many:
        cuts = [(a, min(a + many, samples), 0, rows) for a in range(0, samples, many)]
    else:
        step = max(limit // max(row_bytes, 1), 1)
        cuts = [(n, n + 1, r, min(r + step, rows)) for n in range(samples) for r in range(0, rows, step)]
    found = []
    for first, last, top, bottom in cuts:
        begins = [-before for before, _ in g.padding]
        ends = [
            (n - 1) * s + (k - 1) * d + 1 - before
            for n, s, k, d, (before, _) in zip(
                g.outputs, g.strides, g.window, g.dilation, g.padding, strict=True
            )
        ]
        begins[0] += top * g.strides[0]
        ends[0] -= (rows - bottom) * g.strides[0]
        source, target = [], []
        for a, b, n in zip(begins, ends, g.sizes, strict=True):
            inside = max(a, 0), max(min(b, n), max(a, 0))
            source.append(slice(*inside))
            target.append(slice(inside[0] - a, inside[1] - a))
        padded = tuple(b - a for a, b in zip(begins, ends, strict=True))
        found.append(Piece(slice(first, last), slice(top, bottom), padded, tuple(source), tuple(target)))
    return tuple(found)


class Region:
    """The padded input of one piece after the other; where nothing is padded, a view of the input."""

    def __init__(self, x: Array) -> None:
        self.x = x
        self.memory = np.empty(0, x.dtype)
        self.border: tuple[Any, ...] = ()

    def __call__(self, piece: Piece) -> Array:
        inside = self.x[(piece.samples, *piece.source)]
        if inside.shape[1:-1] == piece.padded:
            return inside
        shape = (piece.count, *piece.padded, self.x.shape[-1])
        padded = scratch(self, shape)
        if self.border != (shape, piece.target):
            padded.fill(0)
            self.border = (shape, piece.target)
        padded[(slice(None), *piece.target)] = inside
        return padded


def scratch(owner: Any, shape: Sizes) -> Array:
    """An array in the owner's `memory`, which grows as needed; new memory is slow at its first touch."""
    size = math.prod(shape)
    if owner.memory.size < size:
        owner.memory = np.empty(size, owner.memory.dtype)
    result: Array = owner.memory[:size].reshape(shape)
    return result


class Memory:
    """Memory for `scratch`."""

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.memory = np.empty(0, dtype)


def patches(geometry: Geometry, x: Array, limit: int) -> Iterator[tuple[Piece, Array]]:
    """Pieces and their patches, matrices of (elements of the result, elements of a patch)."""
    g, region, memory = geometry, Region(x), Memory(x.dtype)
    row = math.prod(g.outputs[1:]) * g.width * x.itemsize
    for piece in pieces(g, len(x), row, limit):
        source = region(piece)
        outputs = (piece.rows.stop - piece.rows.start, *g.outputs[1:])
        elements = piece.count * math.prod(outputs)
        steps, last = source.strides[1:-1], source.strides[-1]
        along = tuple(s * step for s, step in zip(g.strides, steps, strict=True))
        inside = tuple(d * step for d, step in zip(g.dilation, steps, strict=True))
        if g.channels < FEW_CHANNELS:
            shape = (*g.window, g.channels, piece.count, *outputs)
            found = scratch(memory, shape)
            np.copyto(found, as_strided(source, shape, (*inside, last, source.strides[0], *along)))
            yield piece, found.reshape(g.width, elements).T
        else:
            shape = (piece.count, *outputs, *g.window, g.channels)
            found = scratch(memory, shape)
            np.copyto(found, as_strided(source, shape, (source.strides[0], *along, *inside, last)))
            yield piece, found.reshape(elements, g.width)


def lines(geometry: Geometry, x: Array, filters: int, limit: int) -> Iterator[tuple[Piece, list[Array]]]:
    """Pieces, and for each line of the window the patches that it sees.

    A line of the window is what it has at one place of the first spatial axis. Strides are 1 there, so the lines'
    patches lie in the same memory, one below the other: a copy of the window's width, not of all of it. They are
    stacks of matrices (samples, elements of a sample's result, elements of a line).
    """
    g, region, memory = geometry, Region(x), Memory(x.dtype)
    elements, width = math.prod(g.outputs[1:]), math.prod(g.window[1:]) * g.channels
    for piece in pieces(g, len(x), elements * (width + filters) * x.itemsize, limit):
        source = region(piece)
        rows = piece.rows.stop - piece.rows.start
        steps = source.strides[2:-1]
        along = tuple(s * step for s, step in zip(g.strides[1:], steps, strict=True))
        inside = tuple(d * step for d, step in zip(g.dilation[1:], steps, strict=True))
        shape = (*source.shape[:2], *g.outputs[1:], *g.window[1:], g.channels)
        found = scratch(memory, shape)
        np.copyto(
            found, as_strided(source, shape, (*source.strides[:2], *along, *inside, source.strides[-1]))
        )
        found = found.reshape(*source.shape[:2], elements, width)
        starts = range(0, g.window[0] * g.dilation[0], g.dilation[0])
        yield piece, [found[:, i : i + rows].reshape(piece.count, rows * elements, width) for i in starts]
