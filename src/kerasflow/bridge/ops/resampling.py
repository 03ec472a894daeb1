"""Resizing: along each axis a product with a matrix of interpolation weights."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from kerasflow.bridge.ops.layout import channels_axis, check_choice, check_rank
from kerasflow.bridge.ops.precision import common_dtype, compute_dtype, floating
from kerasflow.bridge.ops.tensors import cast, tensor
from kerasflow.tracing.tensor import tensors


def _triangle(x: Any) -> Any:
    return np.maximum(1.0 - x, 0.0)


def _keys_cubic(x: Any) -> Any:
    near = ((1.5 * x - 2.5) * x) * x + 1.0
    far = ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0
    return np.where(x >= 2.0, 0.0, np.where(x >= 1.0, far, near))


def _lanczos(x: Any, radius: float) -> Any:
    product = np.sin(math.pi * x) * np.sin(math.pi * x / radius) * radius
    inside = np.where(x > 1e-3, product / np.where(x > 1e-3, np.square(x) * math.pi**2, 1.0), 1.0)
    return np.where(x > radius, 0.0, inside)


_KERNELS = {
    "triangle": _triangle,
    "cubic": _keys_cubic,
    "lanczos3": lambda x: _lanczos(x, 3.0),
    "lanczos5": lambda x: _lanczos(x, 5.0),
}
_ALIASES = {
    "linear": "triangle",
    "bilinear": "triangle",
    "trilinear": "triangle",
    "bicubic": "cubic",
    "tricubic": "cubic",
}
_METHODS = ("linear", "bilinear", "trilinear", "cubic", "bicubic", "tricubic", "lanczos3", "lanczos5")
_INTERPOLATIONS = ("bilinear", "nearest", "lanczos3", "lanczos5", "bicubic")


def _weights(
    size: int, target: int, scale: Any, translation: Any, method: str, antialias: bool, dtype: Any
) -> Any:
    """The matrix (size, target) whose columns are the weights of an axis's old places in the new ones."""
    inverse = 1.0 / scale
    spread = np.maximum(inverse, 1.0) if antialias else 1.0
    places = (np.arange(target) + 0.5) * inverse - translation * inverse - 0.5
    distance = np.absolute(np.expand_dims(places, 0) - np.arange(size)[:, None]) / spread
    weights = _KERNELS[_ALIASES.get(method, method)](distance)
    total = np.sum(weights, axis=0, keepdims=True)
    counts = np.absolute(total) > 1000.0 * float(np.finfo(np.float32).eps)
    weights = np.where(counts, weights / np.where(counts, total, 1.0), 0.0)
    inside = np.logical_and(places >= -0.5, places <= size - 0.5)
    return cast(np.where(np.expand_dims(inside, 0), weights, 0.0), dtype)


@functools.lru_cache(64)
def _known_weights(*args: Any) -> Any:
    """The same for a scale that is a number: each batch of images needs them."""
    weights = _weights(*args)
    weights.flags.writeable = False
    return weights


def _weighed(x: Any, weights: Any, axis: int) -> Any:
    """The product of an axis with a matrix (size, target): of matrices that lie in x as they are."""
    size, target = weights.shape
    before, behind = math.prod(x.shape[:axis]), math.prod(x.shape[axis + 1 :])
    if behind == 1:
        product = tensors(np.reshape(x, (before, size))) @ weights
    else:
        product = tensors(np.transpose(weights)) @ np.reshape(x, (before, size, behind))
    return np.reshape(product, (*x.shape[:axis], target, *x.shape[axis + 1 :]))


def _resample(
    images: Any,
    shape: Sequence[int],
    axes: Sequence[int],
    scales: Any,
    translations: Any,
    method: str,
    antialias: bool,
) -> Any:
    integers = images.dtype.kind in "iub"
    result = cast(images, "float32" if integers else compute_dtype(images.dtype))
    for i, axis in enumerate(axes):
        axis = axis % images.ndim
        weigh = _known_weights if isinstance(scales[i], float) else _weights
        weights = weigh(
            images.shape[axis], shape[axis], scales[i], translations[i], method, antialias, result.dtype
        )
        result = _weighed(result, weights, axis)
    if integers and axes:
        # Kernels with negative lobes overshoot.
        result = np.clip(np.round(result), cast(np.min(images), "float32"), cast(np.max(images), "float32"))
    return cast(result, images.dtype)


def scale_and_translate(
    images: Any,
    output_shape: Sequence[int],
    scale: Any,
    translation: Any,
    spatial_dims: Sequence[int],
    method: str,
    antialias: bool = True,
) -> Any:
    check_choice("method", method, _METHODS)
    scale, translation = floating(scale), floating(translation)
    dtype = common_dtype(scale, translation)
    return _resample(
        tensor(images),
        output_shape,
        spatial_dims,
        cast(scale, dtype),
        cast(translation, dtype),
        method,
        antialias,
    )


def _crop_to_ratio(images: Any, axes: tuple[int, int], target: tuple[int, int]) -> Any:
    """The largest block in the middle that has the ratio of the target."""
    height, width = (images.shape[a] for a in axes)
    wanted = (
        max(min(height, int(float(width * target[0]) / target[1])), 1),
        max(min(width, int(float(height * target[1]) / target[0])), 1),
    )
    index = [slice(None)] * images.ndim
    for axis, n in zip(axes, wanted, strict=True):
        start = int(float(images.shape[axis] - n) / 2)
        index[axis] = slice(start, start + n)
    return images[tuple(index)]


def _pad_to_ratio(images: Any, axes: tuple[int, int], target: tuple[int, int], fill_value: float) -> Any:
    """The image in the middle of the smallest area that has the ratio of the target."""
    height, width = (images.shape[a] for a in axes)
    wanted = (
        max(height, int(float(width * target[0]) / target[1])),
        max(width, int(float(height * target[1]) / target[0])),
    )
    padding = [(0, 0)] * images.ndim
    for axis, n in zip(axes, wanted, strict=True):
        before = int(float(n - images.shape[axis]) / 2)
        padding[axis] = (before, before)
    return np.pad(images, padding, constant_values=fill_value)


def _nearest(images: Any, axes: tuple[int, int], target: tuple[int, int]) -> Any:
    for axis, n in zip(axes, target, strict=True):
        if images.shape[axis] != n:
            places = np.floor((np.arange(n, dtype=np.float32) + 0.5) * images.shape[axis] / n).astype(
                np.int32
            )
            images = np.take(images, places, axis=axis)
    return images


def resize(
    images: Any,
    size: Sequence[int],
    interpolation: str = "bilinear",
    antialias: bool = False,
    crop_to_aspect_ratio: bool = False,
    pad_to_aspect_ratio: bool = False,
    fill_mode: str = "constant",
    fill_value: float = 0.0,
    data_format: str | None = None,
) -> Any:
    check_choice("interpolation", interpolation, _INTERPOLATIONS)
    if fill_mode != "constant":
        raise ValueError(
            f"Invalid value for argument `fill_mode`. Only `'constant'` is supported. Received: fill_mode={fill_mode}"
        )
    if pad_to_aspect_ratio and crop_to_aspect_ratio:
        raise ValueError("Only one of `pad_to_aspect_ratio` & `crop_to_aspect_ratio` can be `True`.")
    if len(size) != 2:
        raise ValueError(
            f"Argument `size` must be a tuple of two elements (height, width). Received: size={size}"
        )
    images = tensor(images)
    check_rank(images)
    target = (int(size[0]), int(size[1]))
    last = channels_axis(data_format) == -1
    axes = (images.ndim - 3, images.ndim - 2) if last else (images.ndim - 2, images.ndim - 1)
    if crop_to_aspect_ratio:
        images = _crop_to_ratio(images, axes, target)
    elif pad_to_aspect_ratio:
        images = _pad_to_ratio(images, axes, target, fill_value)
    if interpolation == "nearest":
        return _nearest(images, axes, target)
    shape = list(images.shape)
    shape[axes[0]], shape[axes[1]] = target
    changed = [a for a in axes if images.shape[a] != shape[a]]
    scales = [shape[a] / images.shape[a] if images.shape[a] else 1.0 for a in changed]
    return _resample(images, shape, changed, scales, [0.0] * len(changed), interpolation, antialias)
