"""Cotangents on their way back: added up, and put together where an array was taken apart."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from kerasflow.autodiff.joint import Part
from kerasflow.graph import Value
from kerasflow.tracing import apply


class Cotangents:
    """The cotangent of each value, as far as it is known.

    What comes from slices that lie side by side (the halves of an array that was split) is concatenated, which is one
    pass over memory; arrays of zeros with one slice filled, added up, would be one for each slice.
    """

    def __init__(self) -> None:
        self._whole: dict[Value, Any] = {}
        self._parts: dict[Value, list[Part]] = {}

    def __contains__(self, value: Value) -> bool:
        return value in self._whole or value in self._parts

    def add(self, value: Value, g: Any) -> None:
        """Add an array, or a `Part` of one."""
        if isinstance(g, Part):
            self._parts.setdefault(value, []).append(g)
        else:
            self._whole[value] = g if value not in self._whole else self._whole[value] + g

    def get(self, value: Value) -> Any:
        """The sum of what was added; None if nothing was."""
        parts = self._parts.pop(value, None)
        if parts is not None:
            shape = value.aval.shape
            wholes = (
                [_together(parts, shape)] if _beside(parts, shape) else [_filled(p, shape) for p in parts]
            )
            for g in wholes:
                self.add(value, g)
        return self._whole.get(value)


def _filled(part: Part, shape: tuple[int, ...]) -> Any:
    return apply("setitem", np.zeros(shape, part.g.dtype), part.g, index=part.index)


def _axis(parts: list[Part], shape: tuple[int, ...]) -> int | None:
    """The one axis along which slices, of step 1, do not take everything."""
    axes = {
        i
        for part in parts
        for i, (triple, n) in enumerate(zip(part.index, shape, strict=True))
        if triple != (0, n, 1)
    }
    axis = axes.pop() if len(axes) == 1 else None
    return axis if axis is not None and all(part.index[axis][2] == 1 for part in parts) else None


def _beside(parts: list[Part], shape: tuple[int, ...]) -> bool:
    """Whether there are several slices along one axis, none of which overlap."""
    axis = _axis(parts, shape)
    if axis is None or len(parts) < 2:
        return False
    bounds = sorted(_bounds(part, axis) for part in parts)
    return all(stop <= start for (_, stop), (start, _) in pairwise(bounds))


def _bounds(part: Part, axis: int) -> tuple[int, int]:
    start, stop, _ = part.index[axis]
    assert stop is not None  # Only steps backwards end at None.
    return start, stop


def _together(parts: list[Part], shape: tuple[int, ...]) -> Any:
    axis = _axis(parts, shape)
    assert axis is not None
    pieces: list[Any] = []
    end = 0

    def gap(stop: int) -> None:
        if stop > end:
            size = (*shape[:axis], stop - end, *shape[axis + 1 :])
            pieces.append(np.zeros(size, parts[0].g.dtype))

    for part in sorted(parts, key=lambda part: _bounds(part, axis)):
        start, stop = _bounds(part, axis)
        gap(start)
        pieces.append(part.g)
        end = stop
    gap(shape[axis])
    return apply("concatenate", *pieces, axis=axis)
