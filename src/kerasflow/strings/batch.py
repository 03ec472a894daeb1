"""Strings or integers in rows, which may be of different lengths."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from kerasflow.strings.flat import Array, repeat, strings


@dataclass(frozen=True, eq=False)
class Batch:
    """Values in rows.

    Attributes:
        values: strings, or integers of 64 bits, one behind the other.
        shape: theirs, or, if rows differ in length, that of the rows.
        counts: how many values each row has, if they differ in length.
    """

    values: Any
    shape: tuple[int, ...]
    counts: Array | None = None

    @property
    def rows(self) -> Array:
        """Of each value the row."""
        if self.counts is not None:
            return repeat(np.arange(len(self.counts)), self.counts)
        width = self.shape[-1] if self.shape else 1
        return np.repeat(np.arange(math.prod(self.shape[:-1])), width)


def batch(x: Any, integers: bool) -> Batch:
    """The values of an array or of a nested list.

    Raises:
        TypeError: they are of another kind.
    """
    if not integers:
        return Batch(*strings(x))
    values = np.asarray(x)
    if not isinstance(x, (np.ndarray, np.generic)) and values.dtype.kind not in "biu" and values.size:
        raise TypeError(f"Expected integers, but received {x!r}.")
    return Batch(values.astype(np.int64).ravel(), values.shape)
