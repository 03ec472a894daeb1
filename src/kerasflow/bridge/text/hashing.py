"""`Hashing` and `HashedCrossing`, with NumPy."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from kerasflow.bridge.ops.tensors import convert_to_tensor
from kerasflow.bridge.text.batch import computed, given, is_recorded
from kerasflow.bridge.text.encoded import encoded
from kerasflow.bridge.text.standin import Dtype
from kerasflow.graph import is_text
from kerasflow.strings.flat import texts
from kerasflow.strings.layers import Recipe, cross, hashed

_NOT_HASHED = (np.datetime64, np.timedelta64, np.complexfloating, np.void)


def _array(x: Any) -> Any:
    """What is given as an array.

    Raises:
        TypeError: it is one of dates, records or complex numbers.
    """
    x = given(x)
    if not is_recorded(x) and not isinstance(x, np.ndarray):
        array = np.asarray(x)
        x = texts(x) if is_text(array.dtype) else array
    if issubclass(x.dtype.type, _NOT_HASHED):
        raise TypeError(
            f"Strings and numbers are hashed, but received an array of dtype {x.dtype}; `x.astype(str)` makes strings."
        )
    return x


def hash_call(self: Any, inputs: Any) -> Any:
    """The bins of what is given, in the layer's form."""
    x = _array(inputs)
    mask = self.mask_value.encode() if isinstance(self.mask_value, str) else self.mask_value
    if mask is not None and isinstance(mask, bytes) != is_text(x.dtype) and math.prod(x.shape):
        raise TypeError(
            f"`mask_value={self.mask_value!r}` is never equal to values of dtype {x.dtype}: of strings it is a string, "
            "of numbers a number."
        )
    salt = None if self.salt is None else tuple(self.salt)
    numbers = computed(Recipe(hashed, (self.num_bins, salt, mask)), x)
    if self.output_mode == "one_hot" and x.shape[-1:] == (1,):
        numbers = numbers.reshape(x.shape[:-1])
    return convert_to_tensor(encoded(numbers, self.output_mode, self.num_bins, self.dtype, self.sparse))


@dataclass(frozen=True)
class _Column:
    """An input as Keras's checks ask for it."""

    array: Any

    @property
    def shape(self) -> tuple[int, ...]:
        shape: tuple[int, ...] = self.array.shape
        return shape

    @property
    def dtype(self) -> Dtype:
        return Dtype(self.array.dtype)

    def __repr__(self) -> str:
        return repr(self.array)


def cross_call(self: Any, inputs: Any) -> Any:
    """The bins of what several inputs are together, in the layer's form."""
    self._check_at_least_two_inputs(inputs)
    columns = [_array(x) for x in inputs]
    self._check_input_shape_and_type(list(map(_Column, columns)))
    numbers = computed(Recipe(cross, (self.num_bins,)), *columns)
    return convert_to_tensor(
        encoded(numbers, self.output_mode, self.num_bins, self.compute_dtype, self.sparse), self.dtype
    )
