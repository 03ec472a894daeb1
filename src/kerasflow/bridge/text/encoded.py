"""Numbers of categories as `one_hot`, `multi_hot` or `count`."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras.src.utils import numerical_utils

from kerasflow.bridge.text.batch import Batch
from kerasflow.sparse.arrays import squeeze
from kerasflow.sparse.places import unique
from kerasflow.strings.encode import occurrences
from kerasflow.tracing.sparse import SparseTensor, index_dtype


def encoded(numbers: Batch, mode: str, depth: int, dtype: str, sparse: bool = False) -> Any:
    """The numbers in the form that a layer's `output_mode` says; see Keras's `encode_categorical_inputs`.

    Args:
        sparse: give a sparse tensor.

    Raises:
        ValueError: rows of different lengths, of which it cannot be made.
    """
    if mode in ("multi_hot", "count") and len(numbers.shape) <= (2 if numbers.counts is None else 1):
        rows = len(numbers.counts) if numbers.counts is not None else int(np.prod(numbers.shape[:-1]))
        flat = numbers.counts is None and len(numbers.shape) < 2
        given = numbers.values, numbers.rows, (rows, depth), mode == "multi_hot"
        if sparse:
            stored = counted(*given).astype(dtype)
            return squeeze(stored, 0) if flat else stored
        found = occurrences(*given).astype(dtype)
        return found[0] if flat else found
    if numbers.counts is not None:
        raise ValueError(
            f"`output_mode={mode!r}` cannot be made of rows that differ in length, as those of a text that is split; "
            "`'multi_hot'`, `'count'` and `'tf_idf'` can, of texts of the shape (batch,) or (batch, 1)."
        )
    values = numbers.values.reshape(numbers.shape)
    found = numerical_utils.encode_categorical_inputs(values, mode, depth, dtype, sparse=sparse)
    return found if sparse else np.asarray(found)


def counted(values: Any, rows: Any, shape: tuple[int, int], binary: bool) -> SparseTensor:
    """`occurrences` as a sparse tensor."""
    known = (values >= 0) & (values < shape[1])
    coords = [x[known].astype(index_dtype(shape)) for x in (rows, values)]
    found = unique(SparseTensor.of(coords, np.ones(len(coords[0]), np.int64), shape))
    return found.with_values(np.ones_like(found.values)) if binary else found
