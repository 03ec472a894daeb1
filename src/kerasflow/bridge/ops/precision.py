"""The dtypes in which operations compute."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from keras.src.backend.common import standardize_dtype
from keras.src.backend.common.dtypes import result_type
from keras.src.backend.config import floatx

from kerasflow.bridge.ops.tensors import cast, tensor

HALVES = ("float16", "bfloat16")


def floating(x: Any) -> Any:
    """x as a tensor of floating dtype; integers and booleans become Keras's `floatx`."""
    x = tensor(x)
    return cast(x, floatx()) if x.dtype.kind in "iub" else x


def common_dtype(*xs: Any) -> str:
    """The dtype that tensors have together.

    Keras's own `result_type` makes float32 of float64, even where there is
    nothing to promote.
    """
    names = {standardize_dtype(x.dtype) for x in xs}
    return names.pop() if len(names) == 1 else str(result_type(*names))


def compute_dtype(dtype: Any) -> str:
    """float32 for the half precisions, in which sums and exponentials lose too much; else the dtype itself."""
    name = standardize_dtype(dtype)
    return "float32" if name in HALVES else name


def constant(value: Any, like: Any) -> np.ndarray[Any, Any]:
    """A number of the dtype of `like`: Python's own numbers would promote bfloat16 to float32."""
    return np.asarray(value, like.dtype)


def computed_in_float32(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let a function of one floating tensor (and options) compute half precisions in float32.

    NumPy itself goes through float32 in each half-precision operation, so that
    this is faster as well as more exact. Integers are promoted. Of complex numbers the result may be real.
    """

    @functools.wraps(function)
    def wrapped(x: Any, *args: Any, **kwargs: Any) -> Any:
        x = floating(x)
        if x.dtype.kind == "c":
            return function(x, *args, **kwargs)
        compute = compute_dtype(x.dtype)
        return cast(function(cast(x, compute), *args, **kwargs), x.dtype)

    return wrapped
