"""How PyTensor holds each dtype, and tensors of known types."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytensor.tensor as pt

from kerasflow.graph import ShapedArray

Tensor = Any
Lowering = Callable[..., Any]
Array = np.ndarray[Any, Any]


def is_foreign(dtype: np.dtype[Any]) -> bool:
    """Whether PyTensor cannot compute with a dtype: it lacks bfloat16, and neither of its compilers knows float16."""
    return dtype.kind == "V" or dtype == np.float16


def carrier(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype in which PyTensor holds numbers: of a foreign dtype their bits, as unsigned integers."""
    return np.dtype(f"uint{8 * dtype.itemsize}") if is_foreign(dtype) else dtype


def tensor_type(aval: ShapedArray) -> pt.TensorType:
    """The type of the tensors that stand for values of this type."""
    return pt.TensorType(carrier(aval.dtype).name, shape=aval.shape)


def constant(value: Any, dtype: Any) -> Tensor:
    """A constant of exactly this dtype; PyTensor would choose one by the value."""
    return pt.constant(np.asarray(value, dtype))


def zeros(shape: tuple[int, ...], dtype: Any) -> Tensor:
    """A tensor of zeros."""
    return pt.alloc(constant(0, dtype), *shape)
