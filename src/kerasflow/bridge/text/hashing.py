"""`Hashing` and `HashedCrossing`, with NumPy."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from kerasflow.bridge.ops.tensors import convert_to_numpy, convert_to_tensor, is_tensor
from kerasflow.bridge.text.batch import Batch
from kerasflow.bridge.text.encoded import encoded
from kerasflow.bridge.text.standin import Dtype
from kerasflow.graph import is_text
from kerasflow.sparse.arrays import squeeze
from kerasflow.strings.flat import Array, Strings, from_list, strings
from kerasflow.strings.hashing import bins, crossed, decimals, fingerprint64, siphash
from kerasflow.strings.table import Index, Texts


def _array(x: Any) -> Array:
    if is_tensor(x) and not isinstance(x, np.ndarray):
        x = convert_to_numpy(x)
    array = np.asarray(x)
    # NumPy's own strings lose the zeros at their ends.
    return np.asarray(x, object) if is_text(array.dtype) else array


def hash_call(self: Any, inputs: Any) -> Any:
    """The bins of what is given, in the layer's form."""
    x = _array(inputs)
    if self.output_mode == "one_hot" and x.shape[-1] == 1:
        x = x.squeeze(-1)
    numbers = _hash_bins(self, x).reshape(x.shape)
    if self.output_mode == "int":
        return convert_to_tensor(numbers.astype(self.dtype))
    shape = x.shape or (1,)
    return convert_to_tensor(
        encoded(Batch(numbers.ravel(), shape), self.output_mode, self.num_bins, self.dtype, self.sparse)
    )


def _hash_bins(self: Any, x: Array) -> Array:
    values = _as_strings(x)
    hashes = siphash(values, self.salt) if self.strong_hash else fingerprint64(values)
    if self.mask_value is None or self.num_bins <= 1:
        return bins(hashes, self.num_bins)
    if is_text(x.dtype):
        masked = Index(Texts(from_list([self.mask_value]))).find(Texts(values)) == 0
    else:
        masked = (x == np.asarray(self.mask_value).astype(x.dtype)).ravel()
    return np.where(masked, 0, bins(hashes, self.num_bins - 1) + 1)


def _as_strings(x: Array) -> Strings:
    """What is hashed: numbers as they are written, without what is behind the point."""
    if is_text(x.dtype):
        return strings(x)[0]
    if x.dtype == bool:
        return from_list(["false", "true"])[x.astype(np.int64).ravel()]
    if x.dtype.kind not in "iu":
        with np.errstate(invalid="ignore"):
            x = x.astype(np.int64)
    return decimals(x.ravel())


@dataclass(frozen=True)
class _Column:
    """An input as Keras's checks ask for it."""

    array: Array

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape

    @property
    def dtype(self) -> Dtype:
        return Dtype(self.array.dtype)

    def __repr__(self) -> str:
        return repr(self.array)


def cross_call(self: Any, inputs: Any) -> Any:
    """The bins of what several inputs are together, in the layer's form."""
    self._check_at_least_two_inputs(inputs)
    columns = [_Column(_array(x)) for x in inputs]
    self._check_input_shape_and_type(columns)
    shape = columns[0].shape
    hashes = crossed([_as_integers(column.array) for column in columns])
    numbers = bins(hashes, self.num_bins)
    if self.output_mode == "int":
        return convert_to_tensor(numbers.reshape(shape).astype(self.compute_dtype), self.dtype)
    given = Batch(numbers, shape or (math.prod(shape),))
    result = encoded(given, "one_hot", self.num_bins, self.compute_dtype, self.sparse)
    if not shape:
        result = squeeze(result, 0) if self.sparse else result[0]
    return convert_to_tensor(result, self.dtype)


def _as_integers(x: Array) -> Array:
    if is_text(x.dtype):
        return fingerprint64(strings(x)[0]).view(np.int64)
    return x.astype(np.int64).ravel()
