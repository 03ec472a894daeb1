"""One of several equal parts of an array: as plans are made of it, and as programs are bound to it."""

from __future__ import annotations

from typing import Any


def cut(array: Any, axis: int | None, k: int, count: int) -> Any:
    """The k-th of `count` equal parts along an axis; all of it for None, `array[k]` for -1."""
    if axis is None:
        return array
    if axis == -1:
        return array[k, ...]
    size = array.shape[axis] // count
    return array[(slice(None),) * axis + (slice(k * size, (k + 1) * size),)]
