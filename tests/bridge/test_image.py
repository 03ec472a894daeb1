"""Image operations: eager, in a program, and against SciPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.ndimage

from kerasflow.bridge.ops import image

RNG = np.random.default_rng(0)
IMAGES = RNG.random((2, 6, 8, 3)).astype(np.float32)
BYTES = (IMAGES * 255).astype(np.uint8)
AFFINE = np.array(
    [[1.1, 0.1, -0.5, -0.1, 0.9, 0.7, 0, 0], [0.8, -0.2, 1.5, 0.1, 1.2, -2.7, 0, 0]], np.float32
)


def first(x: Any) -> Any:
    """Channels first."""
    return np.moveaxis(x, -1, -3)


# Each operation on a batch, with channels in a given order.
OPERATIONS: dict[str, Any] = {
    "rgb_to_grayscale": lambda x, f: image.rgb_to_grayscale(x, data_format=f),
    "rgb_to_hsv": lambda x, f: image.rgb_to_hsv(x, data_format=f),
    "hsv_to_rgb": lambda x, f: image.hsv_to_rgb(x, data_format=f),
    "nearest": lambda x, f: image.resize(x, (5, 11), "nearest", data_format=f),
    "bilinear": lambda x, f: image.resize(x, (5, 11), data_format=f),
    "bicubic_antialias": lambda x, f: image.resize(x, (3, 4), "bicubic", antialias=True, data_format=f),
    "lanczos": lambda x, f: image.resize(x, (9, 4), "lanczos3", data_format=f),
    "crop": lambda x, f: image.resize(x, (4, 4), crop_to_aspect_ratio=True, data_format=f),
    "pad": lambda x, f: image.resize(x, (4, 4), pad_to_aspect_ratio=True, fill_value=0.5, data_format=f),
    "affine": lambda x, f: image.affine_transform(x, AFFINE, data_format=f),
    "affine_mirror": lambda x, f: image.affine_transform(x, AFFINE, "nearest", "mirror", data_format=f),
    "blur": lambda x, f: image.gaussian_blur(x, (3, 5), (1.0, 0.7), data_format=f),
    "elastic": lambda x, f: image.elastic_transform(x, 2.0, 1.0, seed=1, data_format=f),
}


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_layouts_and_programs(operation: Any, assert_traces: Any) -> None:
    last = assert_traces(lambda x: operation(x, "channels_last"), IMAGES)
    assert last.dtype == np.float32
    np.testing.assert_allclose(operation(first(IMAGES), "channels_first"), first(last), rtol=1e-5, atol=1e-6)
    assert operation(IMAGES.astype(np.float16), "channels_last").dtype == np.float16


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_single_images(operation: Any) -> None:
    if operation is OPERATIONS["affine"] or operation is OPERATIONS["affine_mirror"]:
        single = image.affine_transform(IMAGES[0], AFFINE[0])
        np.testing.assert_array_equal(single, image.affine_transform(IMAGES, AFFINE)[0])
    else:
        single = operation(IMAGES[0], "channels_last")
        if operation is not OPERATIONS["elastic"]:
            np.testing.assert_allclose(single, operation(IMAGES, "channels_last")[0], rtol=1e-6)
    assert single.ndim == 3
    with pytest.raises(ValueError, match="Invalid images rank"):
        operation(IMAGES[0, 0], "channels_last")


def test_colours() -> None:
    colours = np.array([[[[1, 0, 0], [0, 1, 0], [0, 0, 1], [0.5, 0.5, 0.5], [0, 0, 0]]]], np.float32)
    expected = [[0, 1, 1], [1 / 3, 1, 1], [2 / 3, 1, 1], [0, 0, 0.5], [0, 0, 0]]
    np.testing.assert_allclose(image.rgb_to_hsv(colours)[0, 0], expected, rtol=1e-6)
    np.testing.assert_allclose(image.hsv_to_rgb(image.rgb_to_hsv(IMAGES)), IMAGES, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(
        image.rgb_to_grayscale(IMAGES)[..., 0], IMAGES @ np.float32([0.2989, 0.587, 0.114]), rtol=1e-5
    )
    assert image.rgb_to_grayscale(BYTES).dtype == np.uint8
    with pytest.raises(ValueError, match="Invalid images dtype"):
        image.rgb_to_hsv(BYTES)
    with pytest.raises(ValueError, match="Invalid channel size"):
        image.rgb_to_grayscale(IMAGES[..., :2])


def test_resize_keeps_bytes_in_range() -> None:
    x = np.zeros((4, 4, 1), np.uint8)
    x[:2] = 255
    result = image.resize(x, (9, 9), "bicubic")
    assert result.dtype == np.uint8
    assert (result.min(), result.max()) == (0, 255)
    np.testing.assert_array_equal(image.resize(BYTES, (6, 8), "lanczos5"), BYTES)


def test_resize_refuses() -> None:
    with pytest.raises(ValueError, match="`interpolation`"):
        image.resize(IMAGES, (2, 2), "cubic")
    with pytest.raises(ValueError, match="`fill_mode`"):
        image.resize(IMAGES, (2, 2), fill_mode="wrap")
    with pytest.raises(ValueError, match="`size`"):
        image.resize(IMAGES, (2, 2, 3))
    with pytest.raises(ValueError, match="Only one of"):
        image.resize(IMAGES, (2, 2), crop_to_aspect_ratio=True, pad_to_aspect_ratio=True)


def test_scale_and_translate(assert_traces: Any, assert_gradients: Any) -> None:
    scale, translation = np.array([1.5, 0.5], np.float32), np.array([0.25, -0.5], np.float32)

    def function(x: Any, s: Any, t: Any) -> Any:
        return image.scale_and_translate(x, (2, 9, 4, 3), s, t, (1, 2), "linear")

    assert_traces(function, IMAGES, scale, translation)
    np.testing.assert_allclose(
        image.scale_and_translate(IMAGES, (2, 3, 8, 3), np.float32([0.5]), np.float32([0]), (1,), "cubic"),
        image.resize(IMAGES, (3, 8), "bicubic", antialias=True),
        rtol=1e-5,
    )
    assert_gradients(lambda x: function(x, scale, translation), IMAGES[:, :2, :2])
    with pytest.raises(ValueError, match="`method`"):
        image.scale_and_translate(IMAGES, (2, 9, 4, 3), scale, translation, (1, 2), "nearest")


@pytest.mark.parametrize(
    ("fill_mode", "theirs"),
    [
        ("constant", "grid-constant"),
        ("nearest", "nearest"),
        ("wrap", "grid-wrap"),
        ("mirror", "mirror"),
        ("reflect", "reflect"),
    ],
)
@pytest.mark.parametrize("order", [0, 1])
def test_map_coordinates(fill_mode: str, theirs: str, order: int, assert_traces: Any) -> None:
    x = RNG.random((5, 7))
    coordinates = RNG.uniform(-9, 15, size=(2, 40))
    result = assert_traces(lambda x, c: image.map_coordinates(x, c, order, fill_mode, 0.3), x, coordinates)
    expected = scipy.ndimage.map_coordinates(x, coordinates, order=order, mode=theirs, cval=0.3)
    np.testing.assert_allclose(result, expected, rtol=1e-9, atol=1e-12)


def test_map_coordinates_gradients(assert_gradients: Any) -> None:
    x, coordinates = RNG.random((4, 4)), RNG.uniform(0.1, 2.9, size=(2, 6))
    assert_gradients(lambda x, c: image.map_coordinates(x, c, 1) ** 2, x, coordinates)


def test_map_coordinates_refuses() -> None:
    x = np.ones((3, 3))
    with pytest.raises(ValueError, match="First dim"):
        image.map_coordinates(x, np.ones((3, 2)), 1)
    with pytest.raises(ValueError, match="coordinates rank"):
        image.map_coordinates(x, np.ones(2), 1)
    with pytest.raises(ValueError, match="`order`"):
        image.map_coordinates(x, np.ones((2, 2)), 2)
    with pytest.raises(ValueError, match="`fill_mode`"):
        image.map_coordinates(x, np.ones((2, 2)), 1, "edge")


def test_affine_moves_pixels() -> None:
    identity = np.array([1, 0, 0, 0, 1, 0, 0, 0], np.float32)
    np.testing.assert_array_equal(image.affine_transform(IMAGES, identity), IMAGES)
    right = image.affine_transform(IMAGES, identity + np.float32([0, 0, -2, 0, 0, 0, 0, 0]), fill_value=9)
    np.testing.assert_array_equal(right[:, :, 2:], IMAGES[:, :, :-2])
    np.testing.assert_array_equal(right[:, :, :2], np.full_like(IMAGES[:, :, :2], 9))
    assert image.affine_transform(BYTES, AFFINE).dtype == np.uint8
    with pytest.raises(ValueError, match="transform rank"):
        image.affine_transform(IMAGES, AFFINE[None])


def test_perspective() -> None:
    corners = np.array([[0, 0], [7, 0], [0, 5], [7, 5]], np.float32)
    np.testing.assert_allclose(image.perspective_transform(IMAGES, corners, corners), IMAGES, atol=1e-5)
    moved = corners + RNG.random((2, 4, 2)).astype(np.float32)
    matrix = np.concatenate(
        [image.compute_homography_matrix(np.stack([corners] * 2), moved), np.ones((2, 1))], 1
    )
    points = np.concatenate([moved, np.ones((2, 4, 1))], -1) @ np.swapaxes(matrix.reshape(2, 3, 3), 1, 2)
    np.testing.assert_allclose(points[..., :2] / points[..., 2:], np.stack([corners] * 2), atol=1e-4)
    with pytest.raises(ValueError, match="start_points shape"):
        image.perspective_transform(IMAGES, corners[:3], corners[:3])
    with pytest.raises(ValueError, match="must have the same shape"):
        image.perspective_transform(IMAGES, corners, moved)


def test_blur() -> None:
    x = IMAGES[0, :, :, 0]
    weights = [np.exp(-0.5 * (np.arange(n) - (n - 1) / 2) ** 2 / s**2) for n, s in ((3, 1.0), (5, 0.7))]
    horizontal, vertical = (w / w.sum() for w in weights)
    expected = scipy.ndimage.correlate(x, np.outer(vertical, horizontal), mode="constant")
    result = image.gaussian_blur(x[..., None], (3, 5), (1.0, 0.7))
    np.testing.assert_allclose(result[..., 0], expected, rtol=1e-5)


def test_sobel_edges(assert_traces: Any) -> None:
    result = assert_traces(image.sobel_edges, IMAGES)
    for axis in (0, 1):
        expected = scipy.ndimage.sobel(IMAGES[1, :, :, 2], axis=axis, mode="constant")
        np.testing.assert_allclose(result[1, :, :, 2, axis], expected, rtol=1e-4, atol=1e-5)
    assert image.sobel_edges(first(IMAGES), "channels_first").shape == (2, 3, 6, 8, 2)
