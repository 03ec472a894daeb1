"""Numbers of categories as `one_hot`, `multi_hot` or `count`."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras.src.utils import numerical_utils

from kerasflow.bridge.text.batch import Batch
from kerasflow.strings.encode import occurrences


def encoded(numbers: Batch, mode: str, depth: int, dtype: str) -> Any:
    """The numbers in the form that a layer's `output_mode` says; see Keras's `encode_categorical_inputs`.

    Raises:
        ValueError: rows of different lengths, of which it cannot be made.
    """
    if mode in ("multi_hot", "count") and len(numbers.shape) <= (2 if numbers.counts is None else 1):
        rows = len(numbers.counts) if numbers.counts is not None else int(np.prod(numbers.shape[:-1]))
        found = occurrences(numbers.values, numbers.rows, (rows, depth), mode == "multi_hot").astype(dtype)
        flat = numbers.counts is None and len(numbers.shape) < 2
        return found[0] if flat else found
    if numbers.counts is not None:
        raise ValueError(
            f"`output_mode={mode!r}` cannot be made of rows that differ in length, as those of a text that is split; "
            "`'multi_hot'`, `'count'` and `'tf_idf'` can, of texts of the shape (batch,) or (batch, 1)."
        )
    values = numbers.values.reshape(numbers.shape)
    return np.asarray(numerical_utils.encode_categorical_inputs(values, mode, depth, dtype))
