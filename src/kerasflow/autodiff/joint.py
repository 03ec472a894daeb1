"""Rules for primitives with several results, or with any number of operands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kerasflow.tracing import Tracer


@dataclass(frozen=True)
class Joint:
    """A rule for all operands at once.

    Args:
        function: `function(gs, results, operands, wanted, **params)`, lists
            throughout; `gs` are the results' cotangents (zeros where none flows),
            `wanted` tells which operands need a cotangent. Returns a cotangent or
            None for each operand.
    """

    function: Callable[..., Any]


@dataclass(frozen=True)
class Nested(Joint):
    """A rule that differentiates sub-graphs: its function has the sweep (`vjp.Sweep`) in front of its arguments."""


@dataclass(frozen=True)
class Part:
    """A cotangent that is zero but for a slice: what a rule may return for an operand of which that slice was taken.

    Attributes:
        g: the slice. index: one `(start, stop, step)` for each axis.
    """

    g: Any
    index: tuple[tuple[int, int | None, int], ...]

    def __mul__(self, factor: float) -> Part:
        return Part(self.g * factor, self.index)


def flows(g: Any) -> bool:
    """Whether a result has a cotangent that is not known to be zero."""
    return isinstance(g, Tracer) or bool(g.any())
