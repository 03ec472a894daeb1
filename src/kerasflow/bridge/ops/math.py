"""Keras's mathematical operations (`keras.src.backend.numpy.math`), gathered from the families."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras.src.backend.common.dtypes import result_type

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
from kerasflow.bridge.ops.precision import compute_dtype, computed_in_float32
from kerasflow.bridge.ops.segments import segment_max, segment_min, segment_prod, segment_sum
from kerasflow.bridge.ops.sequences import cdist, extract_sequences, in_top_k, logsumexp, top_k
from kerasflow.bridge.ops.tensors import cast, tensor
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
def lgamma(x: Any) -> Any:
    return apply("gammaln", x)


def gammainc(x1: Any, x2: Any) -> Any:
    """The regularized lower incomplete gamma function, with parameter x1, at x2."""
    x1, x2 = tensor(x1), tensor(x2)
    dtype = result_type(x1.dtype, x2.dtype, float)
    compute = compute_dtype(dtype)
    return cast(apply("gammainc", cast(x1, compute), cast(x2, compute)), dtype)


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
    "gammainc",
    "ifft2",
    "in_top_k",
    "irfft",
    "istft",
    "lgamma",
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
