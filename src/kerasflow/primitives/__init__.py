"""The language: every primitive's name, NumPy meaning and shape rule, one file a family.

Nothing comes in: these are definitions, and `PRIMITIVES` is the table of all. It knows graphs, and SciPy where NumPy
has no such function. Open `elementwise` first.
"""

from __future__ import annotations

from kerasflow.graph import Primitive
from kerasflow.primitives import (
    collective,
    complex,
    control,
    convolution,
    decompositions,
    elementwise,
    fourier,
    indexing,
    linalg,
    pooling,
    random,
    reduction,
    shape,
    sparse,
)

FAMILIES = (
    elementwise,
    complex,
    reduction,
    shape,
    indexing,
    linalg,
    decompositions,
    sparse,
    fourier,
    convolution,
    pooling,
    random,
    control,
    collective,
)

PRIMITIVES: dict[str, Primitive] = {p.name: p for family in FAMILIES for p in family.PRIMITIVES}

__all__ = ["FAMILIES", "PRIMITIVES"]
