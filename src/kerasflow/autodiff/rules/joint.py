"""Rules for primitives with several results, or with any number of operands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


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
