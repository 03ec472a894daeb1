"""Small pieces of text: a number, a block of an array, a name for several arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from kerasflow_numpy.plan.storage import EXCHANGE, WORK, Storage


def block_text(name: str, axis: int, size: int) -> str:
    """The k-th block of an array, k written as `@k`."""
    return f"{name}[{':, ' * axis}@k * {size} : @k * {size} + {size}]"


def literal(array: np.ndarray[Any, Any]) -> str:
    """A number as an expression."""
    item = array.item()
    if isinstance(item, float) and not np.isfinite(item):
        return "np.nan" if item != item else ("np.inf" if item > 0 else "-np.inf")
    return repr(item)


def short(storages: list[Storage]) -> str:
    """A name for an arena: what its members' names end in, as in `momentum`."""
    if storages[0].kind in (WORK, EXCHANGE):
        return "g"
    words = [storage.name.split("_") for storage in storages]
    common: list[str] = []
    for ending in zip(*(reversed(w) for w in words), strict=False):
        if len(set(ending)) > 1:
            break
        common.insert(0, ending[0])
    return "_".join(common) or "weights"
