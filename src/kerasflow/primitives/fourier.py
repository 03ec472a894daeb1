"""Discrete Fourier transforms along the last axis, with NumPy's scaling (`norm="backward"`)."""

from __future__ import annotations

from typing import Any

import numpy as np

from kerasflow.graph import Primitive, ShapedArray
from kerasflow.primitives.complex import COMPLEX, REAL


def _check(name: str, x: ShapedArray, dtypes: Any, kind: str) -> None:
    if x.ndim < 1 or x.shape[-1] < 1 or x.dtype not in dtypes:
        raise ValueError(f"{name}: the operand is {kind}, its last axis not empty; received {x}")


def _fft_rule(name: str) -> Any:
    def rule(x: ShapedArray) -> ShapedArray:
        _check(name, x, REAL, "complex")
        return x

    return rule


def _rfft_rule(x: ShapedArray) -> ShapedArray:
    _check("rfft", x, COMPLEX, "real")
    return ShapedArray((*x.shape[:-1], x.shape[-1] // 2 + 1), COMPLEX[x.dtype])


def _irfft_rule(x: ShapedArray, n: int) -> ShapedArray:
    _check("irfft", x, REAL, "complex")
    if n < 1 or x.shape[-1] != n // 2 + 1:
        raise ValueError(f"irfft: {n} numbers come from {n // 2 + 1} coefficients, received {x}")
    return ShapedArray((*x.shape[:-1], n), REAL[x.dtype])


fft = Primitive("fft", lambda x: np.fft.fft(x), _fft_rule("fft"))
ifft = Primitive("ifft", lambda x: np.fft.ifft(x), _fft_rule("ifft"))
# Of n real numbers the first n // 2 + 1 coefficients; the others are their conjugates.
rfft = Primitive("rfft", lambda x: np.fft.rfft(x), _rfft_rule)
# Back to n real numbers. The imaginary parts of the first coefficient, and for even n of the last, count for nothing.
irfft = Primitive("irfft", lambda x, n: np.fft.irfft(x, n), _irfft_rule)

PRIMITIVES: tuple[Primitive, ...] = (fft, ifft, rfft, irfft)
