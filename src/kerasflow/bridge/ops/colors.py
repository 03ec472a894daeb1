"""Colour spaces."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from keras.src.backend.common import is_float_dtype, standardize_dtype

from kerasflow.bridge.ops.layout import channels_axis, check_rank
from kerasflow.bridge.ops.precision import compute_dtype, floating
from kerasflow.bridge.ops.tensors import cast, tensor


def rgb_to_grayscale(images: Any, data_format: str | None = None) -> Any:
    images = tensor(images)
    axis = channels_axis(data_format)
    check_rank(images)
    if images.shape[axis] not in (1, 3):
        raise ValueError(
            "Invalid channel size: expected 3 (RGB) or 1 (Grayscale). "
            f"Received input with shape: images.shape={images.shape}"
        )
    if images.shape[axis] == 1:
        return np.copy(images)
    values = floating(images)
    values = cast(values, compute_dtype(values.dtype))
    red, green, blue = np.split(values, 3, axis)
    return cast(red * 0.2989 + green * 0.5870 + blue * 0.1140, images.dtype)


def _by_planes(
    function: Callable[[Any, Any, Any], tuple[Any, Any, Any]], images: Any, data_format: str | None
) -> Any:
    """Apply a function of three planes of colour."""
    images = tensor(images)
    axis = channels_axis(data_format)
    check_rank(images)
    dtype = standardize_dtype(images.dtype)
    if not is_float_dtype(dtype):
        raise ValueError(f"Invalid images dtype: expected float dtype. Received: images.dtype={dtype}")
    planes = np.split(cast(images, compute_dtype(dtype)), 3, axis)
    return cast(np.concatenate(function(*planes), axis=axis), dtype)


def _hsv_planes(red: Any, green: Any, blue: Any) -> tuple[Any, Any, Any]:
    value = np.maximum(np.maximum(red, green), blue)
    spread = value - np.minimum(np.minimum(red, green), blue)
    saturation = np.where(value > 0, spread / np.where(value > 0, value, 1.0), 0.0)
    sixth = 1.0 / (np.where(spread > 0, spread, 1.0) * 6.0)
    hue = np.where(value == green, sixth * (blue - red) + 2.0 / 6.0, sixth * (red - green) + 4.0 / 6.0)
    hue = np.where(value == red, sixth * (green - blue), hue)
    hue = np.where(spread > 0, hue, 0.0)
    return np.where(hue < 0, hue + 1.0, hue), saturation, value


def rgb_to_hsv(images: Any, data_format: str | None = None) -> Any:
    images = tensor(images)
    if images.dtype.kind == "f":
        # What is as good as black is black: a hue of rounding errors means nothing.
        images = np.where(
            np.absolute(images) < np.finfo(images.dtype).eps, np.zeros((), images.dtype), images
        )
    return _by_planes(_hsv_planes, images, data_format)


def _rgb_planes(hue: Any, saturation: Any, value: Any) -> tuple[Any, Any, Any]:
    sector = np.remainder(hue, 1.0) * 6.0
    red = np.clip(np.absolute(sector - 3.0) - 1.0, 0.0, 1.0)
    green = np.clip(2.0 - np.absolute(sector - 2.0), 0.0, 1.0)
    blue = np.clip(2.0 - np.absolute(sector - 4.0), 0.0, 1.0)
    white = 1.0 - saturation
    return (
        value * (white + saturation * red),
        value * (white + saturation * green),
        value * (white + saturation * blue),
    )


def hsv_to_rgb(images: Any, data_format: str | None = None) -> Any:
    return _by_planes(_rgb_planes, images, data_format)
