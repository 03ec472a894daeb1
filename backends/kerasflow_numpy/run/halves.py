"""Float32 numbers as those of a half precision: rounded, and with float16's range; many times NumPy's own speed.

NumPy turns one number after the other into float16. The same comes of a few of its fast loops over float32.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from kerasflow_numpy.plan.halves import BEYOND, FLOAT16, PIECE
from kerasflow_numpy.run.parallel import each

Array = np.ndarray[Any, Any]

# The square of float16's largest number, 65504.
_SQUARE = 65504.0**2
# A rounding of fewer elements is not worth waking a thread for.
_MANY = 1 << 16
# A float32 has 13 bits more than a float16. Of x * (2**13 + 1), less what it is more than x, the upper 11 bits of x are
# left, rounded to nearest and to even (Veltkamp's splitting).
_SPLIT = np.float32(2**13 + 1)


def round_to(x: Array, out: Array, dtype: np.dtype[Any], threads: int = 1) -> None:
    """Fill `out` with the numbers of a half precision that are nearest to x; both are float32.

    Numbers too small for float16's eleven bits (below 2**-14) keep them.
    """
    fill = _eleven_bits if dtype == FLOAT16 else _through(dtype)
    if x.size <= PIECE or not (x.flags.c_contiguous and out.flags.c_contiguous):
        fill(x, out)
        return
    source, target = x.reshape(-1), out.reshape(-1)
    parts = threads if x.size >= _MANY else 1
    bounds = [x.size * k // parts for k in range(parts + 1)]

    def pieces(start: int, stop: int) -> None:
        for i in range(start, stop, PIECE):
            j = min(i + PIECE, stop)
            fill(source[i:j], target[i:j])

    each(pieces, list(itertools.pairwise(bounds)))


def _through(dtype: np.dtype[Any]) -> Any:
    def fill(x: Array, out: Array) -> None:
        np.copyto(out, x.astype(dtype))

    return fill


def _eleven_bits(x: Array, out: Array) -> None:
    within = _is_within(x)
    if not within:  # What is multiplied stays finite.
        x = np.clip(x, -2 * BEYOND, 2 * BEYOND)
    split = np.multiply(x, _SPLIT)
    np.subtract(split, x, out=out)
    np.subtract(split, out, out=out)
    if not within:
        bounded(out, out)


def _is_within(x: Array) -> bool:
    """Whether all is finite in float16."""
    flat = x.reshape(-1)
    # A sum of squares is at least as large as each of them, rounded or not.
    return bool(np.dot(flat, flat) <= _SQUARE or (flat.max() < BEYOND and flat.min() > -BEYOND))


def bounded(x: Array, out: Array) -> None:
    """Fill `out` with x, infinite where that is beyond float16's range; both are float32."""
    if x is not out:
        np.copyto(out, x)
    if not _is_within(out):
        np.copyto(out, np.copysign(np.float32(np.inf), out), where=np.absolute(out) >= BEYOND)
