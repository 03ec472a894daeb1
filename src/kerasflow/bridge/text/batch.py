"""What a layer is given: strings or integers one behind the other, and in which rows they are."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from kerasflow.bridge.ops.tensors import convert_to_numpy, is_tensor
from kerasflow.bridge.text.standin import imported, is_tensorflows
from kerasflow.strings.flat import Array, Strings, strings
from kerasflow.strings.table import Integers, Texts


@dataclass(frozen=True, eq=False)
class Batch:
    """Values in rows.

    Attributes:
        values: strings, or integers of 64 bits. shape: theirs, or, if rows differ in length, that of the rows.
        counts: how many values each row has, if they differ in length.
    """

    values: Any
    shape: tuple[int, ...]
    counts: Array | None = None

    @property
    def keys(self) -> Any:
        """The values as keys of a table."""
        return (Texts if isinstance(self.values, Strings) else Integers)(self.values)

    @property
    def rows(self) -> Array:
        """Of each value the row."""
        if self.counts is not None:
            return np.repeat(np.arange(len(self.counts)), self.counts)
        width = self.shape[-1] if self.shape else 1
        return np.repeat(np.arange(math.prod(self.shape[:-1])), width)


def batch(x: Any, dtype: str) -> Batch:
    """The values of an array, a nested list or a tensor.

    Args:
        dtype: "string" or "int64".

    Raises:
        TypeError: they are of another kind.
    """
    if is_tensorflows(x):
        tf = imported()
        if isinstance(x, tf.RaggedTensor):
            counts = np.diff(x.row_splits.numpy())
            return Batch(batch(x.flat_values, dtype).values, counts.shape, counts)
        if isinstance(x, tf.SparseTensor):
            counts = np.bincount(x.indices.numpy()[:, 0], minlength=int(x.dense_shape[0]))
            return Batch(batch(x.values, dtype).values, counts.shape, counts)
        x = x.numpy()
    elif not isinstance(x, (np.ndarray, np.generic, list, tuple, str, bytes)):
        x = convert_to_numpy(x) if is_tensor(x) else np.asarray(x)
    if dtype == "string":
        return Batch(*strings(x))
    values = np.asarray(x)
    if not isinstance(x, (np.ndarray, np.generic)) and values.dtype.kind not in "biu" and values.size:
        raise TypeError(f"Expected integers, but received {x!r}.")
    return Batch(values.astype(np.int64).ravel(), values.shape)
