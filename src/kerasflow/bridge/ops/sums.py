"""Sums and means of many numbers, outside of programs: by the primitive `sum`, which has faster ways than NumPy's."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from kerasflow.bridge.ops.tensors import tensor
from kerasflow.compiler.at_once import MANY
from kerasflow.tracing import apply


def by_product(function: Callable[..., Any], is_mean: bool = False) -> Callable[..., Any]:
    """`sum` or `mean`; where NumPy's own function does as well, that."""

    @functools.wraps(function)
    def wrapper(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        x = tensor(x)
        if axis is None or not isinstance(x, np.ndarray) or x.size < MANY or x.dtype.char not in "fd":
            return function(x, axis, keepdims)
        axes = tuple(sorted(normalize_axis_tuple(axis, x.ndim)))
        total = apply("sum", x, axis=axes, keepdims=keepdims)
        return total / x.dtype.type(math.prod(x.shape[i] for i in axes)) if is_mean else total

    return wrapper


mean_by_product = functools.partial(by_product, is_mean=True)


@mean_by_product
def mean(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """NumPy's mean of a floating tensor."""
    return np.mean(x, axis=axis, keepdims=keepdims)
