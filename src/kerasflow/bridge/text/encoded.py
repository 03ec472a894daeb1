"""Numbers of categories as `one_hot`, `multi_hot` or `count`."""

from __future__ import annotations

from typing import Any

from keras.src.utils import numerical_utils

from kerasflow.bridge.ops.tensors import convert_to_tensor
from kerasflow.bridge.text.batch import computed
from kerasflow.strings.layers import Recipe, occurrences


def encoded(numbers: Any, mode: str, depth: int, dtype: str) -> Any:
    """The numbers in the form that a layer's `output_mode` says; see Keras's `encode_categorical_inputs`."""
    if mode == "int":
        return convert_to_tensor(numbers, dtype)
    if mode != "one_hot" and numbers.ndim <= 2:
        return computed(Recipe(occurrences, (depth, mode == "multi_hot")), numbers).astype(dtype)
    return numerical_utils.encode_categorical_inputs(numbers, mode, depth, dtype)
