"""How images lie in memory: one image or a batch, channels last or first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from keras.src.backend import config

from kerasflow.bridge.ops.tensors import tensor


def check_rank(images: Any) -> None:
    """Refuse what is neither an image nor a batch of images."""
    if images.ndim not in (3, 4):
        raise ValueError(
            "Invalid images rank: expected rank 3 (single image) or rank 4 (batch of images). "
            f"Received input with shape: images.shape={images.shape}"
        )


def check_choice(name: str, value: Any, choices: Any) -> None:
    """Refuse an option that there is not."""
    if value not in choices:
        raise ValueError(
            f"Invalid value for argument `{name}`. Expected of one {set(choices)}. Received: {name}={value}"
        )


def channels_axis(data_format: str | None) -> int:
    """The channels' axis, counted from the end."""
    return -1 if config.standardize_data_format(data_format) == "channels_last" else -3


def on_batches(function: Callable[[Any], Any], images: Any, data_format: str | None) -> Any:
    """Apply a function of (batch, height, width, channels) to images of any layout; the result has that layout."""
    images = tensor(images)
    check_rank(images)
    single, first = images.ndim == 3, channels_axis(data_format) == -3
    batch = np.expand_dims(images, 0) if single else images
    batch = np.transpose(batch, (0, 2, 3, 1)) if first else batch
    result = function(batch)
    result = np.transpose(result, (0, 3, 1, 2)) if first else result
    return np.squeeze(result, 0) if single else result
