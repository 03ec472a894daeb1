"""Integer labels as indicator vectors."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras.src.backend.common import standardize_dtype

from kerasflow.bridge.ops.tensors import cast, tensor
from kerasflow.sparse import arrays
from kerasflow.tracing import gives_sparse


def _count(x: Any, num_classes: Any) -> int:
    return int(num_classes or np.max(x) + 1)


def _numpy_dtype(dtype: Any) -> Any:
    return np.dtype(standardize_dtype(dtype or "float32"))


def _labels(x: Any) -> Any:
    """Labels as a tensor of numbers.

    Raises:
        ValueError: they are strings, which would be compared to numbers without a word.
    """
    x = tensor(x)
    return x if x.dtype.kind in "biufV" else tensor(x, "int64")


def _hits(x: Any, num_classes: int, axis: int) -> Any:
    """The boolean indicators; a label outside of the classes has none."""
    x = _labels(x)
    num_classes = _count(x, num_classes)
    axis = axis % (x.ndim + 1)
    # Comparing in the labels' own dtype is cheapest, where that can count the classes.
    fits = x.dtype.kind in "iu" and num_classes - 1 <= np.iinfo(x.dtype).max
    classes = np.arange(num_classes, dtype=x.dtype if fits else np.int64)
    shape = tuple(num_classes if i == axis else 1 for i in range(x.ndim + 1))
    return np.expand_dims(x, axis) == classes.reshape(shape)


def one_hot(x: Any, num_classes: int, axis: int = -1, dtype: Any = None, sparse: bool = False) -> Any:
    if sparse and gives_sparse():
        x = _labels(x)
        return arrays.one_hot(x, _count(x, num_classes), axis, _numpy_dtype(dtype))
    return cast(_hits(x, num_classes, axis), dtype or "float32")


def multi_hot(x: Any, num_classes: int, axis: int = -1, dtype: Any = None, sparse: bool = False) -> Any:
    x = tensor(x)
    if sparse and gives_sparse():
        return arrays.multi_hot(cast(x, "int32"), _count(x, num_classes), axis, _numpy_dtype(dtype))
    found = np.any(_hits(cast(x, "int32"), num_classes, axis), axis=1 if x.ndim > 1 else 0)
    return cast(found, dtype or "float32")
