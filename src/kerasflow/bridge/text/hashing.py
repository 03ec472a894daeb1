"""`Hashing` and `HashedCrossing`, with NumPy."""

from __future__ import annotations

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


def _array(x: Any) -> Any:
    x = given(x)
    if is_recorded(x) or isinstance(x, np.ndarray):
        return x
    array = np.asarray(x)
    return texts(x) if is_text(array.dtype) else array


def hash_call(self: Any, inputs: Any) -> Any:
    """The bins of what is given, in the layer's form."""
    x = _array(inputs)
    mask = self.mask_value.encode() if isinstance(self.mask_value, str) else self.mask_value
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
