"""A program as one rank runs it: what is sent to a process, and how it is bound there to memory that all ranks see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from kerasflow.graph import Graph, ShapedArray
from kerasflow.groups import in_group
from kerasflow_numpy.emit.code import Code
from kerasflow_numpy.plan.allocation import arrays_in, places
from kerasflow_numpy.run.binding import Context, Shared
from kerasflow_numpy.run.workspace import workspace
from kerasflow_numpy.team.group import Area

Array = np.ndarray[Any, Any]
# Where an array of bytes begins: the number of a piece of shared memory, and an offset in it.
Address = tuple[int, int]


@dataclass
class RankCode:
    """The code for ranks with one number of rows.

    Attributes:
        code: the function. workspace: bytes. inputs: what it takes. state: all of it.
    """

    code: Code
    workspace: int
    inputs: list[ShapedArray]
    state: list[ShapedArray]

    @property
    def posted(self) -> list[ShapedArray]:
        """What a process gets before each step: state that each rank has a copy of, and its rows of the batch."""
        shared = set(self.code.shared_state)
        return [*(aval for i, aval in enumerate(self.state) if i not in shared), *self.inputs]


class Sharded(Protocol):
    """A graph for one rank: `kerasflow.passes.shard.Sharded`.

    Attributes:
        graph: which takes the rank's rows. splits: for each input whether it is cut into rows.
    """

    graph: Graph
    splits: list[bool]


class Member(Protocol):
    """What a process of a team offers to what it has loaded."""

    group: Any

    def segment(self, number: int) -> Array:
        """A piece of shared memory."""


@dataclass(frozen=True)
class Places:
    """Where a program's memory is, as a process of a team is told.

    Attributes:
        state: what all ranks read. mailboxes: for each rank, where it finds what it gets for a step.
        shown: for each rank, where it shows the others what they add up. meetings: where they meet.
    """

    state: list[Address]
    mailboxes: list[Address]
    shown: list[Address]
    meetings: Address


@dataclass(eq=False)
class Rank:
    """A program in a process of a team; it is sent there once, told where its memory is, and called for each step.

    Attributes:
        codes: by number of rows. rows: of each rank.
    """

    codes: dict[int, RankCode]
    rows: tuple[int, ...]

    def tell(self, where: Places, team: Member) -> None:
        """Look at memory."""
        rank: int = team.group.rank
        own = self.codes[self.rows[rank]]

        def memory(address: Address, nbytes: int) -> Array:
            number, start = address
            return team.segment(number)[start : start + nbytes]

        def array(address: Address, aval: ShapedArray) -> Array:
            return memory(address, aval.nbytes).view(aval.dtype).reshape(aval.shape)

        posted = arrays_in(memory(where.mailboxes[rank], places(own.posted)[1]), own.posted)
        shared = dict(zip(own.code.shared_state, where.state, strict=True))
        copies = iter(posted)
        self._state = [
            array(shared[i], aval) if i in shared else next(copies) for i, aval in enumerate(own.state)
        ]
        self._inputs = list(copies)
        self._area = Area(memory(where.meetings, own.code.meeting_bytes))
        shown = [memory(address, own.code.shown_bytes) for address in where.shown]
        self._shared = Shared(rank, shown, _nothing_new, lambda _: True)
        self._own = own

    def __call__(self, group: Any) -> None:
        """Run the step, for its effects."""
        with workspace() as mine, in_group(group), np.errstate(all="ignore"):
            context = mine.contexts.get(self)
            if context is None or context.shared is not self._shared:
                context = Context(self._own.code, mine.memory(self._own.workspace), None, self._shared)
                context.bind(self._state)
                mine.contexts[self] = context
            assert context.step is not None
            group.enter(self._area)
            context.step(*self._inputs)


def _nothing_new(nbytes: int) -> Array:
    raise AssertionError("state is moved by the first rank")
