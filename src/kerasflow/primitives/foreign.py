"""The one operation that is no part of the language: a function that another framework has recorded.

Only the backend whose framework that is can run it. It has NumPy's arrays for operands and results, and its framework's
derivative.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from kerasflow.graph import Primitive, ShapedArray


class ForeignFunction(Protocol):
    """What another framework has recorded, as a function of arrays.

    Attributes:
        framework: the name of its module.
        operands, results: what it takes and gives.
        draws: whether it may give something else each time (it draws random numbers, say).
    """

    framework: str
    operands: Sequence[ShapedArray]
    results: Sequence[ShapedArray]
    draws: bool

    def __call__(self, *arrays: np.ndarray[Any, Any]) -> Sequence[np.ndarray[Any, Any]]:
        """Compute it at once."""

    def derived(self, places: Sequence[int]) -> bool:
        """Whether some results are computed of those at the places."""

    def vjp(self, flowing: Sequence[int], wanted: Sequence[int]) -> tuple[ForeignFunction, Sequence[int]]:
        """The function that gives the cotangents of some operands.

        Args:
            flowing: the places of the results that have a cotangent. wanted: those of the operands.

        Returns:
            The function, and the places of what it takes among this one's operands, its results and the cotangents.

        Raises:
            GradientError: if there is no derivative.
        """


def _evaluate(*arrays: Any, function: ForeignFunction) -> tuple[Any, ...]:
    return tuple(function(*arrays))


def _rule(*operands: ShapedArray, function: ForeignFunction) -> tuple[ShapedArray, ...]:
    if list(operands) != list(function.operands):
        found, wanted = (", ".join(map(str, avals)) for avals in (operands, function.operands))
        raise ValueError(f"foreign_function: ({found}) instead of ({wanted})")
    return tuple(function.results)


foreign_function = Primitive("foreign_function", _evaluate, _rule, multiple_results=True)
