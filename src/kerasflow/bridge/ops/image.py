"""Keras's image operations (`keras.src.backend.numpy.image`), gathered from the families."""

from __future__ import annotations

from kerasflow.bridge.ops.colors import hsv_to_rgb, rgb_to_grayscale, rgb_to_hsv
from kerasflow.bridge.ops.filters import gaussian_blur, sobel_edges
from kerasflow.bridge.ops.resampling import resize, scale_and_translate
from kerasflow.bridge.ops.warping import (
    affine_transform,
    compute_homography_matrix,
    elastic_transform,
    map_coordinates,
    perspective_transform,
)

__all__ = [
    "affine_transform",
    "compute_homography_matrix",
    "elastic_transform",
    "gaussian_blur",
    "hsv_to_rgb",
    "map_coordinates",
    "perspective_transform",
    "resize",
    "rgb_to_grayscale",
    "rgb_to_hsv",
    "scale_and_translate",
    "sobel_edges",
]
