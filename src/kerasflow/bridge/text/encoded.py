"""Numbers of categories as `one_hot`, `multi_hot` or `count`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from keras.src.utils import numerical_utils

from kerasflow.bridge.ops.tensors import convert_to_tensor
from kerasflow.bridge.text.batch import computed, is_recorded
from kerasflow.sparse.arrays import squeeze
from kerasflow.sparse.places import unique
from kerasflow.strings.batch import Batch
from kerasflow.strings.layers import Recipe, occurrences
from kerasflow.tracing.sparse import SparseTensor, index_dtype


def encoded(numbers: Any, mode: str, depth: int, dtype: str, sparse: bool = False) -> Any:
    """The numbers in the form that a layer's `output_mode` says; see Keras's `encode_categorical_inputs`.

    Args:
        sparse: give a sparse tensor, but for a program that is recorded.
    """
    sparse = sparse and not is_recorded(numbers)
    if mode == "int":
        return convert_to_tensor(numbers, dtype)
    if mode == "one_hot" or numbers.ndim > 2:
        return numerical_utils.encode_categorical_inputs(numbers, mode, depth, dtype, sparse=sparse)
    binary = mode == "multi_hot"
    if sparse:
        return stored_counts(Batch(numbers.ravel(), numbers.shape), depth, binary).astype(dtype)
    return computed(Recipe(occurrences, (depth, binary)), numbers).astype(dtype)


def stored_counts(numbers: Batch, depth: int, binary: bool) -> SparseTensor:
    """`occurrences` as a sparse tensor, also of rows that differ in length."""
    count = math.prod(numbers.shape[:-1]) if numbers.counts is None else len(numbers.counts)
    known = (numbers.values >= 0) & (numbers.values < depth)
    coords = [x[known].astype(index_dtype((count, depth))) for x in (numbers.rows, numbers.values)]
    found = unique(SparseTensor.of(coords, np.ones(len(coords[0]), np.int64), (count, depth)))
    if binary:
        found = found.with_values(np.ones_like(found.values))
    return squeeze(found, 0) if numbers.counts is None and len(numbers.shape) < 2 else found
