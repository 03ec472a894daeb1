"""What replaces functions of Keras's own NumPy operations: those that make arrays in ways that do not trace."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from keras.src.backend import config
from keras.src.backend.common import dtypes
from keras.src.backend.common.backend_utils import standardize_axis_for_numpy

from kerasflow.bridge.ops.core import convert_to_tensor
from kerasflow.tracing import Tracer
from kerasflow.tracing.functions import indexing


def array(x: Any, dtype: Any = None) -> Any:
    return convert_to_tensor(x, dtype=dtype)


def divide_no_nan(x1: Any, x2: Any) -> Any:
    """`x1 / x2`, zero where x2 is zero, with gradients that are zero there too."""
    x1, x2 = _common(x1, x2, float)
    zero = x2 == 0
    return np.where(zero, np.zeros((), x1.dtype), np.divide(x1, np.where(zero, np.ones((), x2.dtype), x2)))


def _common(x1: Any, x2: Any, *more: Any) -> tuple[Any, Any]:
    kinds = [
        getattr(convert_to_tensor(x) if not isinstance(x, (int, float)) else x, "dtype", type(x))
        for x in (x1, x2)
    ]
    dtype = dtypes.result_type(*kinds, *more)
    return convert_to_tensor(x1, dtype), convert_to_tensor(x2, dtype)


def full(shape: Any, fill_value: Any, dtype: Any = None) -> Any:
    dtype = dtype or config.floatx()
    if isinstance(fill_value, Tracer):
        return np.broadcast_to(fill_value.astype(dtype), shape)
    return np.full(shape, fill_value, dtype=dtype)


def take(x: Any, indices: Any, axis: Any = None) -> Any:
    """`np.take`, which NumPy dispatches on x alone: here the indices may be what is traced."""
    x, indices = convert_to_tensor(x), convert_to_tensor(indices)
    function = indexing.take if isinstance(indices, Tracer) else np.take
    return function(x, indices, axis=standardize_axis_for_numpy(axis))


OVERRIDES: dict[str, Callable[..., Any]] = {
    "array": array,
    "divide_no_nan": divide_no_nan,
    "full": full,
    "take": take,
}

# Functions of Keras's that read `x.dtype` or `x.shape` of whatever they are given; lists and numbers have none.
UNCONVERTED = (
    "corrcoef cumprod cumsum median nanargmax nanargmin nancumprod nancumsum nanmean nanmedian nansum rot90 sum "
    "unique unravel_index"
).split()


def converting(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, with a first argument that is a list, a tuple or a number made a tensor."""

    @functools.wraps(function)
    def wrapper(x: Any, *args: Any, **kwargs: Any) -> Any:
        return function(x if hasattr(x, "dtype") else convert_to_tensor(x), *args, **kwargs)

    return wrapper
