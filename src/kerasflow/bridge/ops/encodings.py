"""Integer labels as indicator vectors."""

from __future__ import annotations

from typing import Any

import numpy as np

from kerasflow.bridge.ops.tensors import cast, tensor


def _hits(x: Any, num_classes: int, axis: int, sparse: bool) -> Any:
    """The boolean indicators; a label outside of the classes has none."""
    if sparse:
        raise ValueError("`sparse=True` is not supported with the numpy backend: it has no sparse tensors")
    x = tensor(x)
    num_classes = int(num_classes or np.max(x) + 1)
    axis = axis % (x.ndim + 1)
    # Comparing in the labels' own dtype is cheapest, where that can count the classes.
    fits = x.dtype.kind in "iu" and num_classes - 1 <= np.iinfo(x.dtype).max
    classes = np.arange(num_classes, dtype=x.dtype if fits else np.int64)
    shape = tuple(num_classes if i == axis else 1 for i in range(x.ndim + 1))
    return np.expand_dims(x, axis) == classes.reshape(shape)


def one_hot(x: Any, num_classes: int, axis: int = -1, dtype: Any = None, sparse: bool = False) -> Any:
    return cast(_hits(x, num_classes, axis, sparse), dtype or "float32")


def multi_hot(x: Any, num_classes: int, axis: int = -1, dtype: Any = None, sparse: bool = False) -> Any:
    x = tensor(x)
    found = np.any(_hits(cast(x, "int32"), num_classes, axis, sparse), axis=1 if x.ndim > 1 else 0)
    return cast(found, dtype or "float32")
