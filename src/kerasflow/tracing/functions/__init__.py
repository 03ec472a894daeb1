"""NumPy's functions on tracers: one table, from the function to what it means in primitives.

Each handler has NumPy's own signature. A function that is not in the table
cannot be traced, and says so. Open `reductions` first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kerasflow.tracing.functions import (
    complex,
    creation,
    fourier,
    indexing,
    linalg,
    norms,
    products,
    reductions,
    sequences,
    shapes,
    statistics,
)

FAMILIES = (
    creation,
    complex,
    reductions,
    shapes,
    indexing,
    products,
    linalg,
    norms,
    fourier,
    sequences,
    statistics,
)

FUNCTIONS: dict[Any, Callable[..., Any]] = {
    function: handler for family in FAMILIES for function, handler in family.FUNCTIONS.items()
}

# The ufuncs that are no primitive.
UFUNCS: dict[Any, Callable[..., Any]] = {**creation.UFUNCS, **products.UFUNCS}

__all__ = ["FAMILIES", "FUNCTIONS", "UFUNCS"]
