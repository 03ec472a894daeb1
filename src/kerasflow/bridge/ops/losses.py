"""Cross-entropies."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras.src.backend.config import epsilon

from kerasflow.bridge.mistakes import Labels, hint_for_categorical, hint_for_sparse
from kerasflow.bridge.ops.activations import log_softmax, parts
from kerasflow.bridge.ops.encodings import one_hot
from kerasflow.bridge.ops.precision import compute_dtype, floating
from kerasflow.bridge.ops.tensors import cast, tensor
from kerasflow.compiler import debug_nans
from kerasflow.tracing import demand


def _prepare(target: Any, output: Any) -> tuple[Any, Any, Any]:
    """Target and output in the dtype to compute in, and the dtype of the result."""
    target, output = tensor(target), floating(output)
    if target.shape != output.shape:
        raise ValueError(
            "Arguments `target` and `output` must have the same shape. "
            f"Received: target.shape={target.shape}, output.shape={output.shape}."
            f"{hint_for_categorical(target.shape, output.shape)}"
        )
    compute = compute_dtype(output.dtype)
    return cast(target, compute), cast(output, compute), output.dtype


def _log_probabilities(output: Any, from_logits: bool, axis: int) -> Any:
    if from_logits:
        return log_softmax(output, axis=axis)
    with debug_nans(False):  # Of an ignored class these are 0/0, which Keras replaces afterwards.
        output = output / np.sum(output, axis=axis, keepdims=True)
    return np.log(np.clip(output, epsilon(), 1.0 - epsilon()))


def categorical_crossentropy(target: Any, output: Any, from_logits: bool = False, axis: int = -1) -> Any:
    target, output, dtype = _prepare(target, output)
    if not target.shape:
        raise ValueError(
            "Arguments `target` and `output` must be at least rank 1. "
            f"Received: target.shape={target.shape}, output.shape={output.shape}"
        )
    log_probabilities = _log_probabilities(output, from_logits, axis)
    return cast(-np.sum(target * log_probabilities, axis=axis), dtype)


def sparse_categorical_crossentropy(
    target: Any, output: Any, from_logits: bool = False, axis: int = -1
) -> Any:
    given, output = tensor(target), floating(output)
    target = cast(given, "int32")
    if not output.shape:
        raise ValueError(f"Argument `output` must be at least rank 1. Received: output.shape={output.shape}")
    if target.ndim == output.ndim and target.shape[-1] == 1:
        target = np.squeeze(target, axis=-1)
    if target.shape != output.shape[:-1]:
        raise ValueError(
            "Arguments `target` and `output` must have the same shape up until the last dimension: "
            f"target.shape={target.shape}, output.shape={output.shape}."
            f"{hint_for_sparse(target.shape, output.shape)}"
        )
    demand(given, Labels(output.shape[axis], output.shape))
    compute = compute_dtype(output.dtype)
    log_probabilities = _log_probabilities(cast(output, compute), from_logits, axis)
    # A product with indicators and not a gather: labels outside of the classes that nobody has seen count nothing.
    indicators = one_hot(target, output.shape[axis], axis=axis, dtype=compute)
    return cast(-np.sum(indicators * log_probabilities, axis=axis), output.dtype)


def binary_crossentropy(target: Any, output: Any, from_logits: bool = False) -> Any:
    target, output, dtype = _prepare(target, output)
    if from_logits:
        # z softplus(-x) + (1 - z) softplus(x), whose small terms add up to one.
        positive, negative = parts(output)
        loss = (positive * (1.0 - target) - negative * target) + np.log1p(np.exp(negative - positive))
    else:
        output = np.clip(output, epsilon(), 1.0 - epsilon())
        loss = -(target * np.log(output) + (1.0 - target) * np.log(1.0 - output))
    return cast(loss, dtype)
