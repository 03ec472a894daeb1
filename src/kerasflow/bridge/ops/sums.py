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


def _total(x: Any, axis: Any, keepdims: bool) -> Any | None:
    """The sum over some of the axes; None where NumPy's own function does as well."""
    if axis is None or not isinstance(x, np.ndarray) or x.size < MANY or x.dtype.char not in "fd":
        return None
    return apply("sum", x, axis=tuple(sorted(normalize_axis_tuple(axis, x.ndim))), keepdims=keepdims)


def by_product(function: Callable[..., Any]) -> Callable[..., Any]:
    """`sum`."""

    @functools.wraps(function)
    def wrapper(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        x = tensor(x)
        total = _total(x, axis, keepdims)
        return function(x, axis, keepdims) if total is None else total

    return wrapper


def mean_by_product(function: Callable[..., Any]) -> Callable[..., Any]:
    """`mean`."""

    @functools.wraps(function)
    def wrapper(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        x = tensor(x)
        total = _total(x, axis, keepdims)
        if total is None:
            return function(x, axis, keepdims)
        return total / x.dtype.type(math.prod(x.shape[i] for i in normalize_axis_tuple(axis, x.ndim)))

    return wrapper


@mean_by_product
def mean(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """NumPy's mean of a floating tensor."""
    return np.mean(x, axis=axis, keepdims=keepdims)
