"""What a layer is given: arrays, lists and tensors as batches, traced arrays as they are."""

from __future__ import annotations

from typing import Any

import numpy as np

from kerasflow.bridge.ops.tensors import convert_to_numpy, is_tensor
from kerasflow.bridge.text.standin import imported, is_tensorflows
from kerasflow.primitives.texts import of_texts
from kerasflow.strings.batch import Batch
from kerasflow.strings.batch import batch as batch_of
from kerasflow.strings.layers import Recipe
from kerasflow.tracing import Tracer, apply


def is_recorded(x: Any) -> bool:
    """Whether it is an array without values, of a program that is being recorded."""
    return isinstance(x, Tracer) and not x.owner.concrete


def computed(recipe: Recipe, *inputs: Any) -> Any:
    """What a recipe makes of arrays and lists: at once, or as a part of the program that is being recorded."""
    if any(map(is_recorded, inputs)):
        return apply(of_texts, *inputs, recipe=recipe)
    return recipe(*inputs)


def given(x: Any) -> Any:
    """An array or a nested list as it is, of a tensor its array; a traced array without values as it is."""
    if is_recorded(x) or isinstance(x, (np.ndarray, np.generic, list, tuple, str, bytes)):
        return x
    return convert_to_numpy(x) if is_tensor(x) else np.asarray(x)


def batch(x: Any, dtype: str) -> Batch:
    """The values of an array, a nested list or a tensor, of TensorFlow's too.

    Args:
        dtype: "string" or "int64".

    Raises:
        TypeError: they are of another kind.
    """
    if is_tensorflows(x):
        tf = imported()
        if isinstance(x, tf.RaggedTensor):
            counts = np.diff(x.row_splits.numpy())
            return Batch(batch(x.flat_values, dtype).values, counts.shape, counts)
        if isinstance(x, tf.SparseTensor):
            counts = np.bincount(x.indices.numpy()[:, 0], minlength=int(x.dense_shape[0]))
            return Batch(batch(x.values, dtype).values, counts.shape, counts)
        x = x.numpy()
    return batch_of(given(x), dtype != "string")
