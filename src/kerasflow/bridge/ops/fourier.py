"""Fourier transforms; complex tensors go in and out as pairs of a real and an imaginary part."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from keras.src.backend.common import standardize_dtype

from kerasflow.bridge.ops.core import convert_to_tensor
from kerasflow.bridge.ops.sequences import extract_sequences
from kerasflow.bridge.ops.unavailable import computed_at_once


def _parts(x: Any) -> tuple[Any, Any]:
    """The real and the imaginary part, checked."""
    if not isinstance(x, (tuple, list)) or len(x) != 2:
        raise ValueError(f"Input `x` should be a tuple of two tensors - real and imaginary. Received: x={x}")
    real, imag = map(convert_to_tensor, x)
    if real.shape != imag.shape:
        raise ValueError(
            "Input `x` should be a tuple of two tensors - real and imaginary. Both the real and imaginary parts "
            f"should have the same shape. Received: x[0].shape = {real.shape}, x[1].shape = {imag.shape}"
        )
    if not np.issubdtype(real.dtype, np.floating) or not np.issubdtype(imag.dtype, np.floating):
        raise ValueError(
            "Both tensors in input `x` should be of type float. "
            f"Received: x[0].dtype = {real.dtype}, x[1].dtype = {imag.dtype}"
        )
    return real, imag


def _get_complex_tensor_from_tuple(x: Any) -> Any:
    """A complex array from a pair of arrays."""
    real, imag = _parts(x)
    return real + 1j * imag


def _pair(x: Any, dtype: Any) -> tuple[Any, Any]:
    return np.real(x).astype(dtype), np.imag(x).astype(dtype)


def _complex_transform(name: str, transform: Callable[[Any], Any]) -> Callable[[Any], tuple[Any, Any]]:
    def function(x: Any) -> tuple[Any, Any]:
        parts = _parts(x)
        dtype = parts[0].dtype
        return computed_at_once(name, lambda re, im: _pair(transform(re + 1j * im), dtype), *parts)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"`np.fft.{name}` of a complex tensor."
    return function


fft = _complex_transform("fft", np.fft.fft)
fft2 = _complex_transform("fft2", np.fft.fft2)
ifft2 = _complex_transform("ifft2", np.fft.ifft2)


def rfft(x: Any, fft_length: int | None = None) -> tuple[Any, Any]:
    x = convert_to_tensor(x)
    return computed_at_once("rfft", lambda a: _pair(np.fft.rfft(a, n=fft_length), a.dtype), x)


def irfft(x: Any, fft_length: int | None = None) -> Any:
    def transform(real: Any, imag: Any) -> Any:
        return np.fft.irfft(real + 1j * imag, n=fft_length).astype(real.dtype)

    return computed_at_once("irfft", transform, *_parts(x))


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
    values = convert_to_tensor(window, dtype)
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
    x = convert_to_tensor(x)
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
    weights = _window(window, sequence_length, fft_length, frames.dtype)
    count = frames.shape[-2]
    total = fft_length + sequence_stride * (count - 1)

    def overlap_and_add(frames: Any) -> Any:
        signal = np.zeros((*frames.shape[:-2], total), frames.dtype)
        for i in range(count):
            signal[..., i * sequence_stride : i * sequence_stride + fft_length] += frames[..., i, :]
        return signal

    norm = overlap_and_add(np.broadcast_to(np.square(weights), (count, fft_length)))
    signal = computed_at_once("istft", overlap_and_add, frames * weights) / np.where(norm > 1e-10, norm, 1)
    if window is None:
        signal = signal * (fft_length / sequence_stride)
    start = fft_length // 2 if center else 0
    if length is not None:
        return signal[..., start : start + length]
    return signal[..., start : total - start]
