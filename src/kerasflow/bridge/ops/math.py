"""Keras's mathematical operations (`keras.src.backend.numpy.math`), gathered from the families."""

from __future__ import annotations

from typing import Any

import numpy as np

from kerasflow.bridge.ops.fourier import (
    _get_complex_tensor_from_tuple,
    fft,
    fft2,
    ifft2,
    irfft,
    istft,
    rfft,
    stft,
)

from kerasflow.bridge.ops.linalg import norm, qr, solve
from kerasflow.bridge.ops.precision import computed_in_float32
from kerasflow.bridge.ops.segments import segment_max, segment_min, segment_prod, segment_sum
from kerasflow.bridge.ops.sequences import cdist, extract_sequences, in_top_k, logsumexp, top_k
from kerasflow.tracing import apply


@computed_in_float32
def rsqrt(x: Any) -> Any:
    return np.reciprocal(np.sqrt(x))


@computed_in_float32
def erf(x: Any) -> Any:
    return apply("erf", x)


@computed_in_float32
def erfc(x: Any) -> Any:
    return apply("erfc", x)


@computed_in_float32
def erfinv(x: Any) -> Any:
    return apply("erfinv", x)


@computed_in_float32
def logdet(x: Any) -> Any:
    return np.linalg.slogdet(x)[1]


__all__ = [
    "_get_complex_tensor_from_tuple",
    "cdist",
    "erf",
    "erfc",
    "erfinv",
    "extract_sequences",
    "fft",
    "fft2",
    "ifft2",
    "in_top_k",
    "irfft",
    "istft",
    "logdet",
    "logsumexp",
    "norm",
    "qr",
    "rfft",
    "rsqrt",
    "segment_max",
    "segment_min",
    "segment_prod",
    "segment_sum",
    "solve",
    "stft",
    "top_k",
]
