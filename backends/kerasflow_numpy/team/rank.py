"""A program as one rank runs it: what is sent to a process, and how it is bound there to memory that all ranks see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from kerasflow.graph import Graph, ShapedArray
from kerasflow.groups import in_group
from kerasflow_numpy.emit.code import Code
from kerasflow_numpy.plan.allocation import ALIGNMENT
from kerasflow_numpy.run.binding import Context, Shared
from kerasflow_numpy.run.workspace import aligned
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


def places(avals: Sequence[ShapedArray]) -> tuple[list[int], int]:
    """Where arrays lie one behind the other, aligned; and the bytes of all."""
    starts, end = [], 0
    for aval in avals:
        starts.append(end)
        end += -(-aval.nbytes // ALIGNMENT) * ALIGNMENT
    return starts, end


def arrays_in(memory: Array, avals: Sequence[ShapedArray]) -> list[Array]:
    """Arrays of these types, one behind the other in memory."""
    starts, _ = places(avals)
    return [
        memory[start : start + aval.nbytes].view(aval.dtype).reshape(aval.shape)
        for start, aval in zip(starts, avals, strict=True)
    ]


@dataclass
class Rank:
    """A program in a process of a team; it is sent there once, told where its memory is, and called for each step.

    Attributes:
        codes: by number of rows. rows: of each rank.
    """

    codes: dict[int, RankCode]
    rows: tuple[int, ...]
    _context: Context | None = None
    _inputs: list[Array] = field(default_factory=list)
    _area: Area | None = None

    def tell(
        self,
        state: Sequence[Address],
        mailboxes: Sequence[Address],
        shown: Sequence[Address],
        meetings: Address,
        team: Member,
    ) -> None:
        """Bind to memory.

        Args:
            state: where what all ranks read lies. mailboxes: for each rank, where it finds what it gets for a step.
            shown: for each rank, where it shows the others what they add up. meetings: where they meet.
        """
        rank: int = team.group.rank
        own = self.codes[self.rows[rank]]
        code = own.code

        def memory(address: Address, nbytes: int) -> Array:
            number, start = address
            return team.segment(number)[start : start + nbytes]

        posted = arrays_in(memory(mailboxes[rank], places(own.posted)[1]), own.posted)
        shared = {
            i: memory(address, own.state[i].nbytes).view(own.state[i].dtype).reshape(own.state[i].shape)
            for i, address in zip(code.shared_state, state, strict=True)
        }
        kept = len(own.state) - len(shared)
        copies = iter(posted[:kept])
        arrays = [shared[i] if i in shared else next(copies) for i in range(len(own.state))]
        self._inputs = posted[kept:]
        self._area = Area(memory(meetings, code.meeting_bytes))
        shows = [memory(address, code.shown_bytes) for address in shown]
        if self._context is None:
            self._context = Context(code, aligned(own.workspace))
        self._context.shared = Shared(rank, shows, _nothing_new, lambda array: True)
        with in_group(team.group):
            self._context.bind(arrays)

    def __call__(self, group: Any) -> None:
        """Run the step, for its effects."""
        assert self._context is not None and self._context.step is not None
        group.enter(self._area)
        with in_group(group), np.errstate(all="ignore"):
            self._context.step(*self._inputs)


def _nothing_new(nbytes: int) -> Array:
    raise AssertionError("state is moved by the first rank")
