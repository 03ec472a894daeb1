"""What is generated: functions, their lines, and what they need to be bound to memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from kerasflow.graph import Node, Value, printable
from kerasflow_numpy.plan.storage import CONSTANT, FRESH, LOCAL, WORK, Plan, Storage

# What the generated code calls: NumPy, SciPy and this backend's modules.
MODULES = ("np", "scipy", "kernels", "blas", "parallel", "convolution", "pooling", "halves")
# A rank's share of an update begins at multiples of this many elements: no two ranks write into one line of the cache.
SHARE = 32


@dataclass(frozen=True)
class Line:
    """A line of a generated function: its text, which runs and has no string of a model in it, and what belongs to it.

    Attributes:
        text: with its indentation. scope: the scope of the node that it was written for, "" if that has none.
        heading: what the lines from here on do. note: what the line gives. Both are shown beside the text.
        allocated: bytes that come into use with it. held: bytes that are in use while it runs, these included.
            Both are of results and what leads to them, not of state, inputs and constants.
    """

    text: str
    scope: str = ""
    heading: str = ""
    note: str = ""
    allocated: int = 0
    held: int = 0

    @property
    def noted(self) -> str:
        """The text with its note."""
        return f"{self.text}  # {printable(self.note)}" if self.note else self.text

    @property
    def shown(self) -> str:
        """The line as a reader sees it: below its heading, with its note."""
        indentation = self.text[: len(self.text) - len(self.text.lstrip())]
        above = f"{indentation}# {printable(self.heading)}\n" if self.heading else ""
        return f"{above}{self.noted}\n"


@dataclass
class Chunks:
    """A loop of a fused update: for each name an arena (storages one behind the other) or a scratch array.

    Attributes:
        arenas: pairs of a loop variable and its storages. scratch: pairs of a loop variable and a block of the
            workspace, a row for each thread.
        size: elements of each arena. parts: on how many threads the loop may run. round: elements of a round.
        ranks: among how many the elements are shared out: each rank's loop goes over its share.
        terms: of arenas that all ranks have one of: a loop variable for a rank's, its storages, and the rank.
    """

    name: str
    arenas: list[tuple[str, list[Storage]]]
    scratch: list[tuple[str, Storage]]
    size: int
    parts: int
    round: int
    ranks: int = 1
    terms: list[tuple[str, list[Storage], int]] = field(default_factory=list)


@dataclass
class Blocks:
    """A function that is run for each of several blocks.

    Attributes:
        name: of the runs in the code that calls them. code: the function.
        scratch: its memory, a part for each thread.
        given: for each array of another function that it works on: its storage, the array's name there, and the axis
            along which blocks are cut (None: every block has all of it; -1: a place of its own in front).
        count: how many blocks. parts: on how many threads they run.
    """

    name: str
    code: Code
    scratch: Storage
    given: list[tuple[Storage, str, int | None]]
    count: int
    parts: int


@dataclass
class Code:
    """A generated function, not yet bound to memory.

    Attributes:
        lines: of `def name(...)`. What its names stand for, by kind:
        storages: arrays at fixed places. views: `(name, source name, expression)` in order.
        objects: anything else by name. chunks: the loops of fused updates. blocks: functions that it calls.
        shared_state: the places of the state that all ranks read in the same memory.
        shown_bytes: what the rank shows the others. meeting_bytes: what all ranks together lay out in meetings.
        made, compiled, derived: kept by who binds it.
    """

    name: str
    lines: list[Line]
    storages: list[Storage]
    views: list[tuple[str, str, str]] = field(default_factory=list)
    objects: dict[str, Any] = field(default_factory=dict)
    chunks: list[Chunks] = field(default_factory=list)
    blocks: list[Blocks] = field(default_factory=list)
    shared_state: list[int] = field(default_factory=list)
    shown_bytes: int = 0
    meeting_bytes: int = 0
    made: tuple[str, list[str]] | None = None
    compiled: Any = None
    derived: Any = None

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "compiled": None, "derived": None, "made": None}

    @property
    def constants(self) -> list[np.ndarray[Any, Any]]:
        """The arrays that are in it from the start, those of the functions that it calls too."""
        own = [storage.array for storage in self.storages if storage.kind == CONSTANT]
        inside = [array for blocks in self.blocks for array in blocks.code.constants]
        return list({id(array): array for array in (*own, *inside)}.values())

    @property
    def text(self) -> str:
        """The text of the function, as it runs."""
        return "".join(f"{line.text}\n" for line in self.lines)

    @property
    def shown(self) -> str:
        """The source to read: the functions that it calls, then its own, with headings and notes."""
        return "".join(f"{block.code.shown}\n" for block in self.blocks) + "".join(
            line.shown for line in self.lines
        )


def indented(lines: Sequence[Line]) -> list[Line]:
    """The lines one level deeper."""
    return [replace(line, text=f"    {line.text}") for line in lines]


def memory(
    plan: Plan, times: int = 1, around: int = 0, filled: Mapping[Value, int] | None = None
) -> list[tuple[int, int]]:
    """For each position of the schedule, and for the end, the bytes that come into use there, and that are in use.

    Args:
        times: how many times there is memory for it, one a thread. around: bytes that are in use outside.
        filled: bytes outside that come into use with a value, and are in `around`.
    """
    end = len(plan.items)
    allocated, freed = [0] * (end + 1), [0] * (end + 2)
    for storage in plan.storages:
        if storage.kind in (WORK, FRESH, LOCAL):
            allocated[storage.first] += times * storage.aval.nbytes
            freed[min(max(storage.first, storage.last), end) + 1] += times * storage.aval.nbytes
    outside = [0] * (end + 1)
    for position, item in enumerate(plan.items):
        if filled and isinstance(item, Node):
            outside[position] = sum(filled.get(value, 0) for value in item.outputs)
    held, result = around, []
    for position in range(end + 1):
        held += allocated[position] - freed[position]
        result.append((allocated[position] + outside[position], held))
    return result
