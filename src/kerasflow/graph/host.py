"""What runs on the host before a program: a function whose results are inputs of the program, as those of a lookup."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kerasflow.graph.graph import Graph, evaluate
from kerasflow.graph.location import locate
from kerasflow.graph.naming import printable
from kerasflow.graph.types import ShapedArray, is_text

Array = np.ndarray[Any, Any]


@dataclass(eq=False)
class HostCall:
    """A function of arrays that is called before each call of a program.

    Args:
        operands: a graph without state, from all that is given before this call (the inputs, and what earlier calls
            have made) to what the function takes.
        function: what it gives for those arrays, as a flat list, and how that is nested.
        name: the function's, as users know it. scope: where it was called, as a node's.
        results: what it gave when the program was recorded.
    """

    operands: Graph
    function: Callable[..., tuple[list[Any], Any]]
    name: str
    scope: str
    results: list[ShapedArray] = field(default_factory=list)

    @property
    def place(self) -> int:
        """How much is given before it; its results are behind that."""
        return len(self.operands.inputs)

    def __call__(self, given: Sequence[Array]) -> tuple[list[Array], Any]:
        """Its results as arrays, and what they are like: what is recorded for them holds for all that are like that.

        Raises:
            TypeError: a result is nothing that could be an array.
            Exception: what the function raises, with the scope in the message.
        """
        operands, _ = evaluate(self.operands, [], given)
        try:
            leaves, structure = self.function(*map(_protected, operands))
            arrays = [_array(leaf) for leaf in leaves]
        except Exception as error:
            locate(error, self.scope)
            raise
        return arrays, (structure, tuple(map(kind, arrays)))

    def __str__(self) -> str:
        """The name, and where it is if that is not a layer's path itself."""
        within = "" if self.scope in ("", self.name) else f" in {self.scope}"
        return printable(f"{self.name}{within}")


def kind(array: Array) -> tuple[Any, ...]:
    """What a program is compiled for: the shape and the dtype, of strings whichever."""
    return array.shape, "text" if is_text(array.dtype) else array.dtype


def _protected(array: Array) -> Array:
    """The array, read-only: it may be the user's own."""
    view = array.view()
    view.flags.writeable = False
    return view


def _array(x: Any) -> Array:
    array = (
        np.asarray(x)
        if hasattr(x, "__array__") or isinstance(x, (bool, int, float, complex, str, bytes))
        else None
    )
    if array is None or array.dtype.kind in "mM":
        raise TypeError(
            f"What runs on the host before a program gives arrays of numbers or strings; received {x!r}"
        )
    return array
