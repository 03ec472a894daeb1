"""What rows of categories' numbers are in other forms."""

from __future__ import annotations

import numpy as np

from kerasflow.strings.flat import Array


def occurrences(values: Array, rows: Array, shape: tuple[int, int], binary: bool) -> Array:
    """How often each category is in each row, or whether it is; numbers out of range count nothing.

    Args:
        values: the numbers. rows: of each one, its row. shape: rows and categories. binary: whether alone.
    """
    known = (values >= 0) & (values < shape[1])
    place = (rows[known] * shape[1] + values[known]).astype(np.intp, copy=False)
    if binary:
        result = np.zeros(shape[0] * shape[1], np.int64)
        result[place] = 1
    else:
        result = np.bincount(place, minlength=shape[0] * shape[1])
    return result.reshape(shape)
