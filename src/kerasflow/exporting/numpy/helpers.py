"""What exported files include in place of SciPy's functions and of calls that NumPy is slow to prepare."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

# erf(x) / x on [-4, 4] as a quotient of polynomials in x**2, from the highest power; beyond, erf is 1 in float32.
ERF_ABOVE = (
    -2.72614225801306e-10,
    2.77068142495902e-08,
    -2.10102402082508e-06,
    -5.69250639462346e-05,
    -7.34990630326855e-04,
    -2.95459980854025e-03,
    -1.60960333262415e-02,
)
ERF_BELOW = (
    -1.45660718464996e-05,
    -2.13374055278905e-04,
    -1.68282697438203e-03,
    -7.37332916720468e-03,
    -1.42647390514189e-02,
)


def each(function: Any, x: Any) -> Any:
    """A function of `math` applied to each element."""
    return np.fromiter(map(function, x.ravel().tolist()), x.dtype, x.size).reshape(x.shape)


def erf(x: Any) -> Any:
    """The error function."""
    if x.dtype.itemsize > 4:
        return each(math.erf, x)
    z = np.clip(x.astype(np.float32), -4, 4)
    square = z * z
    above, below = 0.0, 0.0
    for coefficient in ERF_ABOVE:
        above = above * square + coefficient
    for coefficient in ERF_BELOW:
        below = below * square + coefficient
    return (z * above / below).astype(x.dtype)


def erfc(x: Any) -> Any:
    """The complement of the error function."""
    return each(math.erfc, x)


def einsum(subscripts: str, x: Any, y: Any) -> Any:
    """NumPy's, without the search for an order: there is but one."""
    return np.einsum(subscripts, x, y, optimize=["einsum_path", (0, 1)])


def random_bits(seed: Any, shape: tuple[int, ...], dtype: Any) -> Any:
    """Random bits of the given shape and unsigned dtype: the stream of Philox with the key `seed`."""
    dtype = np.dtype(dtype)
    count = math.prod(shape)
    words = -(-count * dtype.itemsize // 8)
    bits = np.random.Philox(key=seed.astype(np.uint64)).random_raw(words)
    return bits.view(dtype)[:count].reshape(shape)
