"""Small fixed filters of images, as sums of shifted images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kerasflow.bridge.ops.layout import channels_axis, check_rank
from kerasflow.bridge.ops.precision import compute_dtype
from kerasflow.bridge.ops.tensors import cast, tensor


def _correlate(images: Any, weights: Sequence[Any] | Any, axis: int) -> Any:
    """The correlation with a filter along an axis, zeros outside; the size stays."""
    size = len(weights)
    before = (size - 1) // 2
    padding = [(0, 0)] * images.ndim
    padding[axis] = (before, size - 1 - before)
    padded = np.pad(images, padding)
    lead = (slice(None),) * (axis % images.ndim)
    total: Any = None
    for i in range(size):
        term = padded[(*lead, slice(i, i + images.shape[axis]))] * weights[i]
        total = term if total is None else total + term
    return total


def gaussian_blur(
    images: Any, kernel_size: Any = (3, 3), sigma: Any = (1.0, 1.0), data_format: str | None = None
) -> Any:
    images = tensor(images)
    check_rank(images)
    compute = compute_dtype(images.dtype)
    sigma = tensor(sigma, compute)
    first = channels_axis(data_format) == -3
    vertical, horizontal = (-2, -1) if first else (-3, -2)
    result = cast(images, compute)
    # Keras gives the sizes as (horizontal, vertical).
    for i, axis in enumerate((horizontal, vertical)):
        size = int(kernel_size[i])
        places = np.arange(size, dtype=compute) - np.asarray((size - 1) / 2, compute)
        weights = np.exp(np.square(places / sigma[i]) * -0.5)
        result = _correlate(result, weights / np.sum(weights), axis)
    return cast(result, images.dtype)


def sobel_edges(images: Any, data_format: str | None = None) -> Any:
    """The vertical and the horizontal derivative, as a new last axis."""
    images = tensor(images)
    first = data_format == "channels_first"
    vertical, horizontal = (-2, -1) if first else (-3, -2)
    smooth, slope = (1, 2, 1), (-1, 0, 1)
    dy = _correlate(_correlate(images, slope, vertical), smooth, horizontal)
    dx = _correlate(_correlate(images, smooth, vertical), slope, horizontal)
    return np.stack([cast(dy, images.dtype), cast(dx, images.dtype)], axis=-1)
