"""Dtypes for which TensorFlow has no kernel are computed in another one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

Tensor = Any
Lowering = Callable[..., Any]

# Sums and products of half-precision numbers are kept in single precision, as NumPy's are.
HALF = {"float16": "float32", "bfloat16": "float32"}
# Integers lose nothing in wider ones; cast back, they wrap around.
SMALL = {"bool": "int32", "uint8": "int32", "int8": "int32", "uint16": "int32", "int16": "int32"}
UNSIGNED = {"uint32": "int64", "uint64": "int64"}
INTEGERS = {**SMALL, **UNSIGNED}


def numpy_dtype(x: Tensor) -> np.dtype[Any]:
    """A tensor's dtype as NumPy has it."""
    return np.dtype(x.dtype.as_numpy_dtype)


def host_array(x: Tensor) -> np.ndarray[Any, Any]:
    """A tensor's contents in an array of its own; TensorFlow makes a number of a tensor without axes."""
    return np.asarray(x.numpy(), numpy_dtype(x))


def via(function: Lowering, wider: Mapping[str, str]) -> Lowering:
    """The function with operands of some dtypes cast to others first, and results of these cast back."""

    def lowered(*xs: Tensor, **params: Any) -> Any:
        own = xs[0].dtype
        wide = wider.get(own.name)
        if wide is None:
            return function(*xs, **params)

        def back(y: Tensor) -> Tensor:
            return tf.cast(y, own) if y.dtype == wide else y

        result = function(*(tf.cast(x, wide) if x.dtype == own else x for x in xs), **params)
        return tuple(map(back, result)) if isinstance(result, tuple) else back(result)

    return lowered
