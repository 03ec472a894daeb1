"""The type of every value in a graph: a shape and a dtype, no data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

# The kinds of NumPy's dtypes that Keras calls "string": bytes, text, Python objects, NumPy's own strings.
_TEXT = ("S", "U", "O", "T")


def is_text(dtype: Any) -> bool:
    """Whether a dtype of NumPy's is one of strings; of anything else, say a dtype's name, False."""
    return getattr(dtype, "kind", "") in _TEXT


@dataclass(frozen=True, slots=True)
class ShapedArray:
    """An abstract value: what is known of an array before it is computed.

    Args:
        shape: static shape, a tuple of non-negative integers (`()` for a scalar).
        dtype: the NumPy dtype (ml_dtypes' extension types such as bfloat16 included).
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        size = 1
        for n in self.shape:
            size *= n
        return size

    @property
    def nbytes(self) -> int:
        return self.size * self.dtype.itemsize

    def __str__(self) -> str:
        return f"{self.dtype.name}[{','.join(map(str, self.shape))}]"


def shaped(array: np.ndarray[Any, Any]) -> ShapedArray:
    """The abstract value of a NumPy array or scalar."""
    return ShapedArray(tuple(array.shape), array.dtype)


def check_inputs(avals: Sequence[ShapedArray], arrays: Sequence[Any]) -> None:
    """Refuse arrays that a program was not compiled for.

    Raises:
        ValueError: naming the type that is wanted, and the one that was given.
    """
    for given, aval in zip(arrays, avals, strict=True):
        if given.dtype != aval.dtype or given.shape != aval.shape:
            raise ValueError(f"the program was compiled for an input {aval}, and was given {shaped(given)}")
