"""What a lowering gets: one node, and names for what it reads and fills."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kerasflow.graph import Node


@dataclass
class Call:
    """One node to lower.

    Attributes:
        node: the node. args: an expression for each operand. out: the name of the array to fill.
        same: for each operand whether it is the very memory of `out`.
        bind: gives an object a name that the generated code can use.
        view: a name for a view of `out`, made by a function, or the expression if it must be made at each call.
        threads: on how many a large operation may run.
    """

    node: Node
    args: list[str]
    out: str
    same: list[bool]
    bind: Callable[[str, Any], str]
    view: Callable[[str, str], str]
    threads: int = 1

    @property
    def params(self) -> dict[str, Any]:
        return self.node.params
