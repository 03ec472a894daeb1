"""BLAS's `axpby`, one pass over memory where NumPy needs three, from the very library that NumPy multiplies with.

NumPy offers no way to add a multiple of an array to another in place. The BLAS
that it is linked to does, on the threads that the matrix products use. Where
that library cannot be found the same is computed with NumPy.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from kerasflow.blas import numpys

Array = np.ndarray[Any, Any]

# How builds of BLAS spell a C function; those with a suffix take 64-bit sizes.
_SPELLINGS = (
    ("scipy_cblas_{}64_", ctypes.c_int64),
    ("cblas_{}64_", ctypes.c_int64),
    ("cblas_{}", ctypes.c_int),
)
_TYPES: dict[str, tuple[str, Any]] = {"f": ("s", ctypes.c_float), "d": ("d", ctypes.c_double)}


@functools.cache
def _function(char: str) -> Callable[..., None] | None:
    """`axpby(n, a, x, incx, b, y, incy)` for a dtype's character, or None if there is none."""
    if char not in _TYPES:
        return None
    prefix, real = _TYPES[char]
    for library in numpys():
        handle = ctypes.CDLL(library.filepath)
        for spelling, integer in _SPELLINGS:
            function = getattr(handle, spelling.format(f"{prefix}axpby"), None)
            if function is not None:
                function.argtypes = [integer, real, ctypes.c_void_p, integer, real, ctypes.c_void_p, integer]
                function.restype = None
                return function
    return None


def axpby(a: Any, x: Array, b: Any, out: Array) -> None:
    """`out = a * x + b * out`.

    Args:
        a, b: scalars. x: an array of out's shape and dtype, which is out or shares no memory with it.
    """
    function = _function(out.dtype.char)
    if function is None or not (x.flags.c_contiguous and out.flags.c_contiguous):
        np.add(x * a, out * b, out=out)
        return
    source, target = x.__array_interface__["data"][0], out.__array_interface__["data"][0]
    function(out.size, a, source, 1, b, target, 1)
