"""Windows, ranks and norms along axes: top-k, logsumexp, overlapping sequences, distances."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras.src.backend.common.dtypes import result_type

from kerasflow.bridge.ops.precision import computed_in_float32
from kerasflow.bridge.ops.tensors import cast, tensor
from kerasflow.bridge.signatures import with_newer
from kerasflow.tracing import apply, at_user_line
from kerasflow.tracing.trace import sizes_are_real


@with_newer("is_stable")
def top_k(x: Any, k: int, sorted: bool = True, is_stable: bool = True) -> tuple[Any, Any]:
    """The k largest along the last axis, largest first, and their places; of equals the first comes first."""
    x = tensor(x)
    if not x.ndim:
        raise ValueError(at_user_line(f"`top_k` needs an axis to look along; received the number {x!r}."))
    n = x.shape[-1]
    if k < 0 or (k > n and sizes_are_real()):
        raise ValueError(
            at_user_line(
                f"`top_k` gives from 0 to {n} entries of a last axis of {n}; received k={k}, x of shape {x.shape}."
            )
        )
    places = apply("top_k", x, k=int(k))
    return np.take_along_axis(x, places, axis=-1), cast(places, "int32")


def in_top_k(targets: Any, predictions: Any, k: int) -> Any:
    """Whether fewer than k predictions are larger than the one at the target."""
    targets, predictions = tensor(targets), tensor(predictions)
    chosen = np.take_along_axis(predictions, np.expand_dims(targets, -1), axis=-1)
    # NaN is no large probability.
    chosen = np.where(np.isnan(chosen), -np.inf, chosen)
    return np.sum(predictions > chosen, axis=-1) < k


@computed_in_float32
def logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    largest = apply("stop_gradient", np.max(x, axis=axis, keepdims=True))
    largest = np.where(np.isfinite(largest), largest, 0.0)
    total = np.sum(np.exp(x - largest), axis=axis, keepdims=True)
    # All -inf: the sum is 0, its logarithm -inf, and the gradient 0.
    empty = total == 0
    result = np.where(empty, -np.inf, np.log(np.where(empty, 1.0, total))) + largest
    return (
        result
        if keepdims
        else np.squeeze(result, axis if axis is None or isinstance(axis, int) else tuple(axis))
    )


def cdist(x: Any, y: Any) -> Any:
    """The Euclidean distances between the rows of x and those of y."""
    x, y = tensor(x), tensor(y)
    dtype = result_type(x.dtype, y.dtype, float)
    x, y = cast(x, dtype), cast(y, dtype)
    if x.ndim < 2 or y.ndim < 2:
        raise ValueError(f"`cdist` inputs must have rank >= 2. Received shapes {x.shape} and {y.shape}")
    if x.shape[-1] != y.shape[-1]:
        raise ValueError(
            f"Last dimension of inputs to `cdist` must match. Received shapes {x.shape} and {y.shape}"
        )
    return np.sqrt(np.sum(np.square(np.expand_dims(x, -2) - np.expand_dims(y, -3)), axis=-1))


def extract_sequences(x: Any, sequence_length: int, sequence_stride: int) -> Any:
    """Overlapping pieces of the last axis, as a new axis before it."""
    x = tensor(x)
    count = (x.shape[-1] - (sequence_length - sequence_stride)) // sequence_stride
    places = np.arange(count)[:, None] * sequence_stride + np.arange(sequence_length)
    return np.take(x, places, axis=-1)


__all__ = ["cdist", "extract_sequences", "in_top_k", "logsumexp", "top_k"]
