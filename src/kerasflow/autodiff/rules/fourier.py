"""Derivatives of Fourier transforms: linear and symmetric, each is its own; the real ones are each other's.

Of a real signal's coefficients only half are there. All but the first, and for an
even length the last, stand for themselves and their conjugates, and count twice.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kerasflow.tracing import apply


def _counts(n: int, dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """How many of the n coefficients each of the first n // 2 + 1 stands for."""
    counts = np.full(n // 2 + 1, 2, dtype)
    counts[0] = 1
    if n % 2 == 0:
        counts[-1] = 1
    return counts


def _rfft(g: Any, result: Any, x: Any) -> Any:
    n = x.shape[-1]
    return apply("irfft", np.conjugate(g) * (n / _counts(n, x.dtype)), n=n)


def _irfft(g: Any, result: Any, x: Any, n: int) -> Any:
    return np.conjugate(apply("rfft", g)) * (_counts(n, g.dtype) / n)


RULES: dict[str, Any] = {
    "fft": (lambda g, r, x: apply("fft", g),),
    "ifft": (lambda g, r, x: apply("ifft", g),),
    "rfft": (_rfft,),
    "irfft": (_irfft,),
}
