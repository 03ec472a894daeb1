"""Rows of a sparse tensor: what a model is trained on, batch by batch."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras.src.backend import config

from kerasflow.bridge.ops.sparse import sparse_tensor, tensor_of_dtype
from kerasflow.tracing.sparse import SparseTensor


def of_floatx(x: Any) -> Any:
    """A sparse tensor with floats in the default dtype, also from one of SciPy's; anything else as it is."""
    x = sparse_tensor(x)
    return tensor_of_dtype(x, config.floatx()) if isinstance(x, SparseTensor) and x.dtype.kind == "f" else x


class SparseRows:
    """A sparse tensor by rows, as Keras's `Sliceable` is asked for them.

    Args:
        array: the tensor; its numbers are sorted by rows, if they are not yet.
    """

    def __init__(self, array: SparseTensor) -> None:
        rows = np.asarray(array.coords[0])
        if (rows[1:] < rows[:-1]).any():
            order = np.argsort(rows, kind="stable")
            array = SparseTensor.of(
                [np.asarray(along)[order] for along in array.coords],
                np.asarray(array.values)[order],
                array.shape,
                array.is_unique,
            )
        self.array = array
        counts = np.bincount(np.asarray(array.coords[0], np.intp), minlength=array.shape[0])
        self.begins = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape

    @property
    def dtype(self) -> Any:
        return self.array.dtype

    def __len__(self) -> int:
        return self.array.shape[0]

    def __getitem__(self, indices: Any) -> SparseTensor:
        """Some of the rows: a slice, or an array of their numbers."""
        x = self.array
        if isinstance(indices, slice):
            begin, end, _ = indices.indices(len(self))
            stored: Any = slice(self.begins[begin], self.begins[max(end, begin)])
            rows, count = np.asarray(x.coords[0])[stored] - begin, max(end - begin, 0)
        else:
            indices = np.asarray(indices)
            # NumPy repeats by its own integers, which may have 32 bits.
            counts = (self.begins[indices + 1] - self.begins[indices]).astype(np.intp, copy=False)
            rows, count = np.repeat(np.arange(len(indices)), counts), len(indices)
            # Within each row one behind the other.
            offsets = np.repeat(self.begins[indices] - np.cumsum(counts) + counts, counts)
            stored = offsets + np.arange(len(rows))
        others = [np.asarray(along)[stored] for along in x.coords[1:]]
        rows = rows.astype(x.coords[0].dtype, copy=False)
        return SparseTensor.of(
            (rows, *others), np.asarray(x.values)[stored], (count, *x.shape[1:]), x.is_unique
        )

    @staticmethod
    def convert_to_numpy(x: SparseTensor) -> SparseTensor:
        """What Keras makes of a batch: here it stays sparse."""
        return x
