"""Derivatives of a complex number's parts.

The cotangent g of a value z says how a real number L depends on it: dL = Re(g dz).
So the rule of an analytic function is the same for real and complex numbers,
without any conjugate.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kerasflow.tracing import apply, cast


def conj(x: Any) -> Any:
    """The complex conjugate; a real array as it is."""
    return np.conjugate(x) if x.dtype.kind == "c" else x


RULES: dict[str, Any] = {
    "complex": (lambda g, r, x, y: np.real(g), lambda g, r, x, y: -np.imag(g)),
    "real": (lambda g, r, x: cast(g, x.dtype),),
    "imag": (lambda g, r, x: apply("complex", np.zeros((), g.dtype), -g),),
}
