"""Float32 numbers as those of a half precision: rounded, and with float16's range; many times NumPy's own speed.

NumPy turns one number after the other into float16. The same numbers come of a few of its fast loops over float32.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from kerasflow_numpy.plan.halves import BEYOND, FLOAT16, PIECE
from kerasflow_numpy.run.parallel import each

Array = np.ndarray[Any, Any]

# The square of float16's largest number.
_SQUARE = 65504.0**2
# A rounding of fewer elements is not worth waking a thread for.
_MANY = 1 << 16

# A float32 has 13 bits more than a float16. Of x * (2**13 + 1) less the difference from x the upper 11 bits of x remain,
# rounded to nearest and to even (Veltkamp's splitting).
_SPLIT = np.float32(2**13 + 1)
# Added to what is smaller than float16's smallest normal number, and subtracted again, it leaves multiples of 2**-24.
_SUBNORMAL = np.float32(0.75)
# What is split is less than that, if it is in float16's range.
_FINITE = np.float32(2**30)
_SIGN, _REST = np.uint32(1 << 31), np.uint32((1 << 31) - 1)


def round_to(x: Array, out: Array, dtype: np.dtype[Any], threads: int = 1) -> None:
    """Fill `out` with the numbers of a half precision that are nearest to x; both are float32."""
    if not (x.flags.c_contiguous and out.flags.c_contiguous):
        np.copyto(out, x.astype(dtype))
        return
    source, target = x.reshape(-1), out.reshape(-1)
    parts = threads if x.size >= _MANY else 1
    bounds = [x.size * k // parts for k in range(parts + 1)]
    function = _round_to_float16 if dtype == FLOAT16 else _through(dtype)
    each(function, [(source[i:j], target[i:j]) for i, j in itertools.pairwise(bounds)])


def _through(dtype: np.dtype[Any]) -> Any:
    def fill(x: Array, out: Array) -> None:
        for start in range(0, x.size, PIECE):
            out[start : start + PIECE] = x[start : start + PIECE].astype(dtype)

    return fill


def _round_to_float16(x: Array, out: Array) -> None:
    size = min(PIECE, x.size)
    split, rounded = np.empty((2, size), np.float32)
    for start in range(0, x.size, PIECE):
        piece, target = x[start : start + PIECE], out[start : start + PIECE]
        n = piece.size
        s, r = split[:n], rounded[:n]
        np.absolute(piece, out=r)
        np.multiply(r, _SPLIT, out=s)
        np.clip(s, _SUBNORMAL, _FINITE, out=s)
        np.subtract(s, r, out=r)
        np.subtract(s, r, out=r)
        bits = target.view(np.uint32)
        np.bitwise_and(piece.view(np.uint32), _SIGN, out=bits)
        np.bitwise_or(bits, r.view(np.uint32), out=bits)
    bounded(out, out)


def bounded(x: Array, out: Array) -> None:
    """Fill `out` with x, infinite where that is beyond float16's range; both are float32."""
    if x is not out:
        np.copyto(out, x)
    flat = out.reshape(-1)
    # A sum of squares is at least as large as each of them, rounded or not.
    if np.dot(flat, flat) <= _SQUARE or (flat.max() < BEYOND and flat.min() > -BEYOND):
        return
    np.copyto(out, np.copysign(np.float32(np.inf), out), where=np.absolute(out) >= BEYOND)
