"""The parts of complex numbers, on tracers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from kerasflow.tracing.functions.missing import unknown_function
from kerasflow.tracing.normalize import as_operand, cast
from kerasflow.tracing.trace import apply


def is_complex(x: Any) -> bool:
    return x.dtype.kind == "c"


def real(val: Any) -> Any:
    val = as_operand(val)
    return apply("real", val) if is_complex(val) else val


def imag(val: Any) -> Any:
    val = as_operand(val)
    return apply("imag", val) if is_complex(val) else np.zeros_like(val)


def angle(z: Any, deg: bool = False) -> Any:
    z = as_operand(z)
    result = np.arctan2(imag(z) if is_complex(z) else np.zeros((), z.dtype), real(z))
    return result * (180 / np.pi) if deg else result


def each_part(function: Callable[[Any], Any], z: Any) -> Any:
    """A function of real arrays applied to the real part and to the imaginary part."""
    return apply("complex", function(real(z)), function(imag(z)))


def absolute_square(x: Any) -> Any:
    """`|x|²`, real."""
    return np.square(real(x)) + np.square(imag(x)) if is_complex(x) else np.square(x)


def real_if_close(a: Any, tol: Any = 100) -> Any:
    a = as_operand(a)
    if is_complex(a):
        raise unknown_function("np.real_if_close (of a complex array: the dtype depends on values)")
    return a


def sort_complex(a: Any) -> Any:
    a = np.sort(a)
    small = a.dtype.kind in "iu" and a.dtype.itemsize <= 2
    return a if is_complex(a) else cast(a, np.complex64 if small else np.complex128)


FUNCTIONS = {
    np.real: real,
    np.imag: imag,
    np.angle: angle,
    np.real_if_close: real_if_close,
    np.sort_complex: sort_complex,
    np.isreal: lambda x: imag(x) == 0,
    np.iscomplex: lambda x: imag(x) != 0,
    np.iscomplexobj: lambda x: is_complex(as_operand(x)),
    np.isrealobj: lambda x: not is_complex(as_operand(x)),
}
