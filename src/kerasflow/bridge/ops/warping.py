"""Images at other coordinates: interpolation, affine and perspective maps, elastic distortion."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from kerasflow.bridge import random
from kerasflow.bridge.ops.filters import gaussian_blur
from kerasflow.bridge.ops.layout import check_choice, check_rank, on_batches
from kerasflow.bridge.ops.linalg import solve
from kerasflow.bridge.ops.precision import common_dtype, compute_dtype, constant, floating
from kerasflow.bridge.ops.tensors import cast, require_eager, tensor
from kerasflow.tracing import apply

_ORDERS = {"nearest": 0, "bilinear": 1}
_FILL_MODES = ("constant", "nearest", "wrap", "mirror", "reflect")


def _rounded(x: Any) -> Any:
    """The nearest integers; halves go away from zero."""
    return np.trunc(x + np.copysign(constant(0.5, x), x))


def _inside(places: Any, n: int, fill_mode: str) -> Any:
    """Integer places brought into 0 .. n - 1 as the fill mode says."""
    if fill_mode == "wrap":
        return np.remainder(places, n)
    if fill_mode == "reflect":  # d c b a | a b c d | d c b a
        folded = np.remainder(places, 2 * n)
        return np.minimum(folded, 2 * n - 1 - folded)
    if fill_mode == "mirror":  # d c b | a b c d | c b a
        period = max(2 * (n - 1), 1)
        folded = np.remainder(places, period)
        return np.minimum(folded, period - folded)
    return np.clip(places, 0, n - 1)


def _sample(
    x: Any, lead: Sequence[Any], coordinates: Sequence[Any], order: int, fill_mode: str, fill_value: Any
) -> Any:
    """x between its places.

    Args:
        lead: integer indices for the first axes.
        coordinates: floating coordinates for the axes after them, all of one
            shape with which `lead` broadcasts; the axes that remain come last.
    """
    dtype = x.dtype
    compute = _grid_dtype(x)
    values = cast(x, compute)
    sizes = x.shape[len(lead) : len(lead) + len(coordinates)]
    trailing = x.ndim - len(lead) - len(coordinates)
    corners = []
    for c in coordinates:
        low = _rounded(c) if order == 0 else np.floor(c)
        fraction = c - low
        low = cast(low, "int32")
        corners.append([(low, None)] if order == 0 else [(low, 1 - fraction), (low + 1, fraction)])
    total: Any = None
    for chosen in itertools.product(*corners):
        places = [_inside(place, n, fill_mode) for (place, _), n in zip(chosen, sizes, strict=True)]
        term = apply("gather", values, *lead, *places)
        if fill_mode == "constant":
            valid = True
            for (place, _), n in zip(chosen, sizes, strict=True):
                valid = np.logical_and(valid, np.logical_and(place >= 0, place < n))
            term = np.where(_with_axes(valid, trailing), term, cast(fill_value, compute))
        for _, weight in chosen:
            if weight is not None:
                term = term * _with_axes(cast(weight, compute), trailing)
        total = term if total is None else total + term
    return cast(_rounded(total) if dtype.kind in "iub" else total, dtype)


def _with_axes(x: Any, count: int) -> Any:
    return np.reshape(x, x.shape + (1,) * count)


def map_coordinates(
    inputs: Any, coordinates: Any, order: int, fill_mode: str = "constant", fill_value: Any = 0.0
) -> Any:
    inputs, coordinates = tensor(inputs), tensor(coordinates)
    if coordinates.shape[0] != inputs.ndim:
        raise ValueError(
            "First dim of `coordinates` must be the same as the rank of `inputs`. "
            f"Received inputs with shape: {inputs.shape} and coordinate leading dim of {coordinates.shape[0]}"
        )
    if coordinates.ndim < 2:
        raise ValueError(
            f"Invalid coordinates rank: expected at least rank 2. Received input with shape: {coordinates.shape}"
        )
    check_choice("fill_mode", fill_mode, _FILL_MODES)
    check_choice("order", order, (0, 1))
    coordinates = floating(coordinates)
    return _sample(inputs, [], [coordinates[i] for i in range(inputs.ndim)], order, fill_mode, fill_value)


def _sample_batch(batch: Any, y: Any, x: Any, interpolation: str, fill_mode: str, fill_value: Any) -> Any:
    """Each image of (batch, height, width, channels) at its own coordinates, of shape (batch, height, width)."""
    numbers = np.arange(batch.shape[0]).reshape(-1, 1, 1)
    return _sample(batch, [numbers], [y, x], _ORDERS[interpolation], fill_mode, fill_value)


def _grid_dtype(images: Any) -> str:
    """The dtype for the coordinates of pixels."""
    return "float32" if images.dtype.kind in "iub" else compute_dtype(images.dtype)


def _grid(height: int, width: int, dtype: Any) -> tuple[Any, Any]:
    """The coordinates of every pixel, as a column and a row."""
    return np.arange(height, dtype=dtype).reshape(1, -1, 1), np.arange(width, dtype=dtype).reshape(1, 1, -1)


def _rows(transforms: Any, batch: int) -> list[Any]:
    """The parameters of each image's transform, each of shape (batch, 1, 1)."""
    transforms = np.broadcast_to(transforms, (batch, transforms.shape[-1]))
    return [np.reshape(transforms[:, i], (-1, 1, 1)) for i in range(transforms.shape[-1])]


def affine_transform(
    images: Any,
    transform: Any,
    interpolation: str = "bilinear",
    fill_mode: str = "constant",
    fill_value: Any = 0,
    data_format: str | None = None,
) -> Any:
    check_choice("interpolation", interpolation, _ORDERS)
    check_choice("fill_mode", fill_mode, _FILL_MODES)
    transform = tensor(transform)
    if transform.ndim not in (1, 2):
        raise ValueError(
            "Invalid transform rank: expected rank 1 (single transform) or rank 2 (batch of transforms). "
            f"Received input with shape: transform.shape={transform.shape}"
        )

    def warp(batch: Any) -> Any:
        compute = _grid_dtype(batch)
        y, x = _grid(batch.shape[1], batch.shape[2], compute)
        a0, a1, a2, b0, b1, b2, *_ = _rows(cast(transform, compute), batch.shape[0])
        return _sample_batch(
            batch, b0 * x + b1 * y + b2, a0 * x + a1 * y + a2, interpolation, fill_mode, fill_value
        )

    return on_batches(warp, images, data_format)


def perspective_transform(
    images: Any,
    start_points: Any,
    end_points: Any,
    interpolation: str = "bilinear",
    fill_value: Any = 0,
    data_format: str | None = None,
) -> Any:
    check_choice("interpolation", interpolation, _ORDERS)
    images = tensor(images)
    check_rank(images)
    start_points, end_points = tensor(start_points), tensor(end_points)
    for name, points in (("start_points", start_points), ("end_points", end_points)):
        if points.ndim not in (2, 3) or points.shape[-2:] != (4, 2):
            raise ValueError(
                f"Invalid {name} shape: expected (4,2) for a single image or (N,4,2) for a batch. "
                f"Received shape: {points.shape}"
            )
    if start_points.shape != end_points.shape:
        raise ValueError(
            "start_points and end_points must have the same shape. "
            f"Received start_points.shape={start_points.shape}, end_points.shape={end_points.shape}"
        )
    transforms = compute_homography_matrix(
        np.reshape(start_points, (-1, 4, 2)), np.reshape(end_points, (-1, 4, 2))
    )

    def warp(batch: Any) -> Any:
        compute = _grid_dtype(batch)
        y, x = _grid(batch.shape[1], batch.shape[2], compute)
        a0, a1, a2, a3, a4, a5, a6, a7 = _rows(cast(transforms, compute), batch.shape[0])
        depth = a6 * x + a7 * y + 1.0
        return _sample_batch(
            batch,
            (a3 * x + a4 * y + a5) / depth,
            (a0 * x + a1 * y + a2) / depth,
            interpolation,
            "constant",
            fill_value,
        )

    return on_batches(warp, images, data_format)


def compute_homography_matrix(start_points: Any, end_points: Any) -> Any:
    """The eight parameters of the perspective map that takes the end points to the start points."""
    start_points, end_points = floating(start_points), floating(end_points)
    dtype = common_dtype(start_points, end_points)
    compute = compute_dtype(dtype)
    start, end = cast(start_points, compute), cast(end_points, compute)
    one, zero = np.ones_like(start[:, 0, 0]), np.zeros_like(start[:, 0, 0])
    rows, targets = [], []
    for i in range(4):
        u, v, x, y = start[:, i, 0], start[:, i, 1], end[:, i, 0], end[:, i, 1]
        rows.append(np.stack([x, y, one, zero, zero, zero, -u * x, -u * y], axis=-1))
        rows.append(np.stack([zero, zero, zero, x, y, one, -v * x, -v * y], axis=-1))
        targets += [u, v]
    return cast(solve(np.stack(rows, axis=1), np.stack(targets, axis=-1)), dtype)


def elastic_transform(
    images: Any,
    alpha: Any = 20.0,
    sigma: Any = 5.0,
    interpolation: str = "bilinear",
    fill_mode: str = "reflect",
    fill_value: Any = 0.0,
    seed: Any = None,
    data_format: str | None = None,
) -> Any:
    """Each pixel from a place nearby; the distances are smoothed normal numbers."""
    check_choice("interpolation", interpolation, _ORDERS)
    check_choice("fill_mode", fill_mode, _FILL_MODES)
    require_eager("keras.ops.image.elastic_transform (of `sigma`, which sets the size of a filter)", sigma)
    sigma = float(sigma)
    size = int(6 * sigma) | 1

    def warp(batch: Any) -> Any:
        compute = _grid_dtype(batch)
        count, height, width, _ = batch.shape
        noise = random.normal((count, height, width, 2), stddev=sigma, dtype=compute, seed=seed)
        smooth = gaussian_blur(noise, (size, size), (sigma, sigma), "channels_last") * tensor(alpha, compute)
        y, x = _grid(height, width, compute)
        return _sample_batch(
            batch, y + smooth[..., 0], x + smooth[..., 1], interpolation, fill_mode, fill_value
        )

    return on_batches(warp, images, data_format)
