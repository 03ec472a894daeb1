"""Pooling in Keras's terms."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from keras.src.backend.config import standardize_data_format

from kerasflow.bridge.ops.convolution import Number, as_given, channels_last, spatial, window_padding
from kerasflow.bridge.ops.precision import floating
from kerasflow.bridge.ops.tensors import convert_to_tensor
from kerasflow.primitives.convolution import Pairs, Sizes, output_sizes
from kerasflow.tracing import apply
from kerasflow.tracing.tensor import tensors


def max_pool(
    inputs: Any,
    pool_size: Number,
    strides: Number | None = None,
    padding: str = "valid",
    data_format: str | None = None,
) -> Any:
    """The largest element of each window."""
    x, window, steps, pairs, data_format = _standard(inputs, pool_size, strides, padding, data_format)
    return as_given(apply("max_pool", x, window=window, strides=steps, padding=pairs), data_format)


def average_pool(
    inputs: Any,
    pool_size: Number,
    strides: Number | None = None,
    padding: str = "valid",
    data_format: str | None = None,
) -> Any:
    """The mean of each window; padding does not count."""
    x, window, steps, pairs, data_format = _standard(inputs, pool_size, strides, padding, data_format)
    x = floating(x)
    sums = _window_sums(x, window, steps, pairs)
    if str(padding).lower() == "valid":
        return as_given(sums / math.prod(window), data_format)
    counts = _window_sums(np.ones((1, *x.shape[1:-1], 1), x.dtype), window, steps, pairs)
    return as_given(sums / counts, data_format)


def adaptive_average_pool(inputs: Any, output_size: Number, data_format: str | None = None) -> Any:
    """The means of as many windows of about equal size as asked for, along each spatial axis."""
    x, sizes, data_format = _adaptive(inputs, output_size, data_format)
    x = floating(x)
    for axis, size in enumerate(sizes, start=1):
        starts, ends = _adaptive_windows(x.shape[axis], size)
        places = np.arange(x.shape[axis])
        inside = (places >= starts[:, None]) & (places < ends[:, None])
        weights = (inside / (ends - starts)[:, None]).astype(x.dtype)
        x = np.moveaxis(tensors(weights) @ np.moveaxis(x, axis, -2), -2, axis)
    return as_given(x, data_format)


def adaptive_max_pool(inputs: Any, output_size: Number, data_format: str | None = None) -> Any:
    """The largest elements of as many windows of about equal size as asked for, along each spatial axis."""
    x, sizes, data_format = _adaptive(inputs, output_size, data_format)
    for axis, size in enumerate(sizes, start=1):
        starts, ends = _adaptive_windows(x.shape[axis], size)
        parts = [
            np.max(x[(slice(None),) * axis + (slice(a, b),)], axis=axis, keepdims=True)
            for a, b in zip(starts, ends, strict=True)
        ]
        x = np.concatenate(parts, axis=axis)
    return as_given(x, data_format)


def _standard(
    inputs: Any, pool_size: Number, strides: Number | None, padding: str, data_format: str | None
) -> tuple[Any, Sizes, Sizes, Pairs, str]:
    """Channels-last inputs, the window, the strides, the padding, and the data format."""
    data_format = standardize_data_format(data_format)
    x = convert_to_tensor(inputs)
    if x.ndim < 3:
        raise ValueError(
            f"Pooling takes inputs of shape (batch, *spatial, channels). Received: shape {x.shape}"
        )
    x = channels_last(x, data_format)
    count, sizes, ones = x.ndim - 2, x.shape[1:-1], (1,) * (x.ndim - 2)
    window = spatial(pool_size, count, "pool_size")
    steps = window if strides is None else spatial(strides, count, "strides")
    pairs = window_padding(padding, sizes, window, steps, ones)
    if 0 in output_sizes(sizes, window, steps, pairs, ones) and 0 not in x.shape:
        raise ValueError(
            "Pooling resulted in an empty output: the input is smaller than the window. "
            f"Received: spatial shape {sizes}, pool_size={window}, padding={padding!r}"
        )
    return x, window, steps, pairs, data_format


def _window_sums(x: Any, window: Sizes, strides: Sizes, padding: Pairs) -> Any:
    """The sum of each window, one axis after the other."""
    for axis, (k, s, pair) in enumerate(zip(window, strides, padding, strict=True), start=1):
        if pair != (0, 0):
            widths = [(0, 0)] * x.ndim
            widths[axis] = pair
            x = np.pad(x, widths)
        n = (x.shape[axis] - k) // s + 1
        if n == 1 and k == x.shape[axis]:
            x = np.sum(x, axis=axis, keepdims=True)
            continue
        parts = [x[(slice(None),) * axis + (slice(i, i + (n - 1) * s + 1, s),)] for i in range(k)]
        x = parts[0]
        for part in parts[1:]:
            x = x + part
    return x


def _adaptive(
    inputs: Any, output_size: int | Sequence[int | None], data_format: str | None
) -> tuple[Any, Sizes, str]:
    """Channels-last inputs, the wanted spatial sizes, and the data format."""
    data_format = standardize_data_format(data_format)
    x = convert_to_tensor(inputs)
    if x.ndim not in (3, 4, 5):
        raise ValueError(f"Adaptive pooling supports only 1D, 2D and 3D inputs. Received: shape {x.shape}")
    x = channels_last(x, data_format)
    return x, spatial(output_size, x.ndim - 2, "output_size"), data_format  # type: ignore[arg-type]


def _adaptive_windows(n: int, size: int) -> tuple[Any, Any]:
    """Where each of `size` windows over n elements begins and ends."""
    numbers = np.arange(size + 1)
    return numbers[:-1] * n // size, -(-numbers[1:] * n // size)


__all__ = ["adaptive_average_pool", "adaptive_max_pool", "average_pool", "max_pool"]
