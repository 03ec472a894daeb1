"""The language: every primitive's name, NumPy meaning and shape rule, one file a family."""

from __future__ import annotations

from kerasflow.graph import Primitive
from kerasflow.primitives import control, elementwise, indexing, linalg, random, reduction, shape

FAMILIES = (elementwise, reduction, shape, indexing, linalg, random, control)

PRIMITIVES: dict[str, Primitive] = {p.name: p for family in FAMILIES for p in family.PRIMITIVES}

__all__ = ["FAMILIES", "PRIMITIVES"]
