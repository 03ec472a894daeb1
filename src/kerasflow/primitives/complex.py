"""Complex numbers and their parts."""

from __future__ import annotations

from typing import Any

import numpy as np

from kerasflow.graph import Primitive, ShapedArray
from kerasflow.primitives.elementwise import broadcast_shapes

# The complex dtype of each real one, and the other way round.
COMPLEX: dict[np.dtype[Any], np.dtype[Any]] = {
    np.dtype(np.float32): np.dtype(np.complex64),
    np.dtype(np.float64): np.dtype(np.complex128),
}
REAL: dict[np.dtype[Any], np.dtype[Any]] = {whole: part for part, whole in COMPLEX.items()}


def real_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype of a number's real part, of its absolute value."""
    return REAL.get(dtype, dtype)


def _complex(x: Any, y: Any) -> Any:
    result = np.empty(np.broadcast_shapes(x.shape, y.shape), COMPLEX[x.dtype])
    result.real, result.imag = x, y
    return result


def _complex_rule(x: ShapedArray, y: ShapedArray) -> ShapedArray:
    if x.dtype != y.dtype or x.dtype not in COMPLEX:
        raise ValueError(
            f"complex: the parts are two arrays of float32 or two of float64, received {x} and {y}"
        )
    return ShapedArray(broadcast_shapes(x.shape, y.shape), COMPLEX[x.dtype])


def _part(name: str) -> Primitive:
    def rule(x: ShapedArray) -> ShapedArray:
        if x.dtype not in REAL:
            raise ValueError(f"{name}: the operand is complex, received {x}")
        return ShapedArray(x.shape, REAL[x.dtype])

    return Primitive(name, lambda x: getattr(x, name), rule, view=True)


# x + iy, exactly: `x + 1j * y` makes a NaN of an infinite y's real part.
complex_ = Primitive("complex", _complex, _complex_rule, elementwise=True)

PRIMITIVES: tuple[Primitive, ...] = (complex_, _part("real"), _part("imag"))
