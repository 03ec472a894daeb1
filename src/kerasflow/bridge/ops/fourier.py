"""Fourier transforms; complex tensors go in and out as pairs of a real and an imaginary part."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from keras.src.backend.common import standardize_dtype

from kerasflow.bridge.ops.precision import common_dtype, compute_dtype, floating
from kerasflow.bridge.ops.sequences import extract_sequences
from kerasflow.bridge.ops.tensors import cast, tensor
from kerasflow.tracing import apply


def _parts(x: Any) -> tuple[Any, Any]:
    """The real and the imaginary part, checked."""
    if not isinstance(x, (tuple, list)) or len(x) != 2:
        raise ValueError(f"Input `x` should be a tuple of two tensors - real and imaginary. Received: x={x}")
    real, imag = map(tensor, x)
    if real.shape != imag.shape:
        raise ValueError(
            "Input `x` should be a tuple of two tensors - real and imaginary. Both the real and imaginary parts "
            f"should have the same shape. Received: x[0].shape = {real.shape}, x[1].shape = {imag.shape}"
        )
    if real.dtype.kind not in "fV" or imag.dtype.kind not in "fV":
        raise ValueError(
            "Both tensors in input `x` should be of type float. "
            f"Received: x[0].dtype = {real.dtype}, x[1].dtype = {imag.dtype}"
        )
    return real, imag


def _get_complex_tensor_from_tuple(x: Any) -> Any:
    """A complex array from a pair of arrays."""
    real, imag = _parts(x)
    dtype = compute_dtype(common_dtype(real, imag))
    return apply("complex", cast(real, dtype), cast(imag, dtype))


def _pair(x: Any, dtype: Any) -> tuple[Any, Any]:
    """The real and the imaginary part of a result, in the dtype of what was transformed."""
    return cast(np.real(x), dtype), cast(np.imag(x), dtype)


def _complex_transform(name: str, transform: Callable[[Any], Any]) -> Callable[[Any], tuple[Any, Any]]:
    def function(x: Any) -> tuple[Any, Any]:
        z = _get_complex_tensor_from_tuple(x)
        return _pair(transform(z), common_dtype(*_parts(x)))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"`np.fft.{name}` of a complex tensor."
    return function


fft = _complex_transform("fft", np.fft.fft)
fft2 = _complex_transform("fft2", np.fft.fft2)
ifft2 = _complex_transform("ifft2", np.fft.ifft2)


def rfft(x: Any, fft_length: int | None = None) -> tuple[Any, Any]:
    x = floating(x)
    return _pair(np.fft.rfft(cast(x, compute_dtype(x.dtype)), n=fft_length), x.dtype)


def irfft(x: Any, fft_length: int | None = None) -> Any:
    z = _get_complex_tensor_from_tuple(x)
    return cast(np.fft.irfft(z, n=fft_length), common_dtype(*_parts(x)))


_WINDOWS: dict[str, Callable[[Any], Any]] = {
    "hann": lambda phase: 0.5 - 0.5 * np.cos(phase),
    "hamming": lambda phase: 0.54 - 0.46 * np.cos(phase),
}


def _window(window: Any, sequence_length: int, fft_length: int, dtype: Any) -> Any:
    """The window's values, with zeros on both sides up to `fft_length`."""
    before = (fft_length - sequence_length) // 2
    if window is None:
        return np.ones(fft_length, dtype)
    if isinstance(window, str):
        if window not in _WINDOWS:
            raise ValueError(
                'If a string is passed to `window`, it must be one of `"hann"`, `"hamming"`. '
                f"Received: window={window}"
            )
        window = _WINDOWS[window](2 * np.pi * np.arange(sequence_length) / sequence_length)
    values = tensor(window, dtype)
    if values.shape != (sequence_length,):
        raise ValueError(
            f"The shape of `window` must be equal to [sequence_length]. Received: window shape={values.shape}"
        )
    return np.pad(values, (before, fft_length - sequence_length - before))


def stft(
    x: Any,
    sequence_length: int,
    sequence_stride: int,
    fft_length: int,
    window: Any = "hann",
    center: bool = True,
) -> tuple[Any, Any]:
    x = tensor(x)
    if standardize_dtype(x.dtype) not in {"float32", "float64"}:
        raise TypeError(
            f"Invalid input type. Expected `float32` or `float64`. Received: input type={x.dtype}"
        )
    if fft_length < sequence_length:
        raise ValueError(
            "`fft_length` must equal or larger than `sequence_length`. "
            f"Received: sequence_length={sequence_length}, fft_length={fft_length}"
        )
    if center:
        x = np.pad(x, [(0, 0)] * (x.ndim - 1) + [(fft_length // 2, fft_length // 2)], mode="reflect")
    frames = extract_sequences(x, fft_length, sequence_stride)
    return rfft(frames * _window(window, sequence_length, fft_length, x.dtype))


def istft(
    x: Any,
    sequence_length: int,
    sequence_stride: int,
    fft_length: int,
    length: int | None = None,
    window: Any = "hann",
    center: bool = True,
) -> Any:
    """The frames, weighted by the window, added up where they overlap and divided by the window's total weight."""
    frames = irfft(x, fft_length)
    if frames.ndim < 2:
        raise ValueError(f"Input `x` must have at least 2 dimensions. Received shape: {frames.shape}")
    weights = _window(window, sequence_length, fft_length, frames.dtype)
    count = frames.shape[-2]
    total = fft_length + sequence_stride * (count - 1)
    weight = _overlap_and_add(np.broadcast_to(np.square(weights), (count, fft_length)), sequence_stride)
    covered = weight > 1e-10
    weight = np.where(covered, weight, np.ones((), frames.dtype))
    signal = _overlap_and_add(frames * weights, sequence_stride) / weight
    if window is None:
        signal = signal * (fft_length / sequence_stride)
    start = fft_length // 2 if center else 0
    if length is not None:
        return signal[..., start : start + length]
    return signal[..., start : total - start]


def _overlap_and_add(frames: Any, stride: int) -> Any:
    """Frames that begin `stride` apart, added up: piece by piece, each as long as the stride."""
    *batch, count, length = frames.shape
    pieces = -(-length // stride)
    frames = np.pad(frames, [(0, 0)] * (len(batch) + 1) + [(0, pieces * stride - length)])
    total: Any = 0
    for k in range(pieces):
        piece = frames[..., k * stride : (k + 1) * stride]
        total = total + np.pad(piece, [(0, 0)] * len(batch) + [(k, pieces - 1 - k), (0, 0)])
    return np.reshape(total, (*batch, -1))[..., : length + stride * (count - 1)]
