"""A program that several processes run together, each on its rows of the batch: the side of the first one."""

from __future__ import annotations

import functools
import itertools
import pickle
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from kerasflow.errors import RankError
from kerasflow.graph import Measurement, ShapedArray, check_inputs
from kerasflow.groups import in_group
from kerasflow_numpy.plan.allocation import arrays_in, places
from kerasflow_numpy.run.binding import Context, Shared
from kerasflow_numpy.run.measure import Stopwatch
from kerasflow_numpy.run.program import NumpyProgram
from kerasflow_numpy.run.workspace import Workspace, aligned, workspace
from kerasflow_numpy.team.group import Area
from kerasflow_numpy.team.rank import Address, Places, Rank, Sharded
from kerasflow_numpy.team.team import Team, team

Array = np.ndarray[Any, Any]

_keys = itertools.count()


class _Memory:
    """What a program has in the memory that the ranks of a team share.

    Attributes:
        bound: the function for which the others were told last where the state is.
    """

    def __init__(self, crew: Team, rank: Rank, key: int) -> None:
        self.crew = crew
        self.key = key
        code = rank.codes[rank.rows[0]].code
        boxes = [rank.codes[rows].posted for rows in rank.rows]
        # The first rank takes what it is given as it is.
        mail = [places(box)[1] if i else 0 for i, box in enumerate(boxes)]
        self._shown = [_common(crew, f"shown {i}", code.shown_bytes) for i in range(len(boxes))]
        self._mailboxes = [_common(crew, f"mail {i}", nbytes) for i, nbytes in enumerate(mail)]
        self._meetings = _common(crew, "meetings", code.meeting_bytes)
        self.area = Area(self._meetings)
        self.boxes = [
            arrays_in(box, avals) for box, avals in zip(self._mailboxes[1:], boxes[1:], strict=True)
        ]
        self.shared = Shared(0, self._shown, crew.share, self.sees)
        self.bound: Context | None = None
        crew.load(key, pickle.dumps(rank))

    def sees(self, array: Array) -> bool:
        """Whether the team's processes see an array."""
        return self.crew.number(array) is not None

    def _address(self, array: Array) -> Address:
        address = self.crew.number(array)
        assert address is not None
        return address

    def tell(self, context: Context, state: Sequence[int]) -> None:
        """Tell the others where all that they need is."""
        where = Places(
            [self._address(context.state[i]) for i in state],
            list(map(self._address, self._mailboxes)),
            list(map(self._address, self._shown)),
            self._address(self._meetings),
        )
        self.crew.tell(self.key, where)
        self.bound = context


# By team: memory that its programs have in common, for nothing outlives a step in it.
_commons: weakref.WeakKeyDictionary[Team, dict[str, weakref.ref[Array]]] = weakref.WeakKeyDictionary()


def _common(crew: Team, use: str, nbytes: int) -> Array:
    """Memory that a team's programs have for one use, one program after the other; it goes with the last of them."""
    known = _commons.setdefault(crew, {})
    memory = known[use]() if use in known else None
    if memory is None or memory.nbytes < nbytes:
        memory = crew.share(nbytes, contents=False)
        known[use] = weakref.ref(memory)
    return memory


_working = threading.local()


@contextmanager
def _at_work(size: int) -> Iterator[Team | None]:
    """The team, which does nothing else meanwhile; None where there is none: no process can be started, or this thread
    is at work with it already (a signal's handler runs a program).
    """
    try:
        crew = None if getattr(_working, "now", False) else team(size)
    except RankError:
        crew = None
    if crew is None:
        yield None
        return
    with crew.lock:
        _working.now = True
        try:
            yield crew
        finally:
            _working.now = False


class TeamProgram(NumpyProgram):
    """A program whose calls are steps of several processes.

    Args:
        rank: what each of them runs. inputs: the types of what it is given, whole.
        sharded: the cut: for each input whether it is split, and what there is to know for people.
        alone: makes the program of one process, which runs where there can be no team.
    """

    def __init__(
        self,
        rank: Rank,
        sharded: Sharded,
        inputs: Sequence[ShapedArray],
        alone: Callable[[], NumpyProgram],
    ) -> None:
        own = rank.codes[rank.rows[0]]
        super().__init__(own.code, own.workspace, inputs)
        self.rank = rank
        self.sharded = sharded
        self._alone = functools.cache(alone)
        self._key = next(_keys)
        self._memory: _Memory | None = None
        shared = set(own.code.shared_state)
        self._copied = [i for i in range(len(own.state)) if i not in shared]
        ends = list(itertools.accumulate(rank.rows))
        self._rows = [slice(end - n, end) for end, n in zip(ends, rank.rows, strict=True)]

    def __call__(self, state: Sequence[Array], inputs: Sequence[Array]) -> tuple[list[Any], Sequence[Array]]:
        check_inputs(self.inputs, inputs)
        with _at_work(len(self.rank.rows)) as crew:
            if crew is not None:
                with workspace() as mine:
                    bound = self._bound(crew, mine, state)
                    if bound is not None:
                        return self._together(*bound, inputs)
            return self._alone()(state, inputs)

    def _bound(self, crew: Team, mine: Workspace, state: Sequence[Array]) -> tuple[_Memory, Context] | None:
        """The program's memory in a team, and the function bound to state in it.

        None where the system gives no such memory, or no descriptor to hand it over; state is then where it was.
        """
        try:
            memory = self._in(crew)
            context = mine.contexts.get(self)
            if context is None or context.shared is not memory.shared:
                context = Context(self.code, mine.memory(self.workspace), None, memory.shared)
                mine.contexts[self] = context
            self._bind(memory, context, state)
        except OSError:
            return None
        return memory, context

    def _bind(self, memory: _Memory, context: Context, state: Sequence[Array]) -> None:
        if not context.holds(state):
            memory.bound = None
            with in_group(memory.crew.group):
                context.bind(state)

    def _in(self, crew: Team) -> _Memory:
        """The program's memory in a team, which has it from now on."""
        if self._memory is None or self._memory.crew is not crew:
            self._memory = _Memory(crew, self.rank, self._key)
            weakref.finalize(self, crew.unload, self._key)
        return self._memory

    def _together(
        self, memory: _Memory, context: Context, inputs: Sequence[Array]
    ) -> tuple[list[Any], Sequence[Array]]:
        crew = memory.crew
        try:
            with in_group(crew.group):
                if memory.bound is not context:
                    memory.tell(context, self.code.shared_state)
                self._post(memory, context, inputs)
                crew.begin(self._key)
                crew.group.enter(memory.area)
                own = self._own(inputs, 0)
                with self.on_one_thread(), np.errstate(all="ignore"):
                    outputs = context.step(*own)  # type: ignore[misc]
                crew.finish()
        except BaseException:
            crew.close()  # The others may wait for this one.
            raise
        return outputs, context.state

    def _post(self, memory: _Memory, context: Context, inputs: Sequence[Array]) -> None:
        """Give each of the others its copy of state, and its rows."""
        copied = [context.state[i] for i in self._copied]
        for rank, box in enumerate(memory.boxes, start=1):
            for target, source in zip(box, (*copied, *self._own(inputs, rank)), strict=True):
                np.copyto(target, source)

    def _own(self, inputs: Sequence[Array], rank: int) -> list[Array]:
        """What a rank takes of whole inputs."""
        rows = self._rows[rank]
        return [x[rows] if split else x for x, split in zip(inputs, self.sharded.splits, strict=True)]

    def measured(self) -> Callable[..., tuple[list[Any], Sequence[Array], list[Measurement]]]:
        """The program with a clock in the first process; see `NumpyProgram`."""
        watch = Stopwatch()
        own = aligned(self.workspace)

        def run(
            state: Sequence[Array], inputs: Sequence[Array]
        ) -> tuple[list[Any], Sequence[Array], list[Measurement]]:
            check_inputs(self.inputs, inputs)
            with _at_work(len(self.rank.rows)) as crew:
                if crew is None:
                    raise RankError("There is no team of processes to measure the program with.")
                memory = self._in(crew)
                if not contexts or contexts[0].shared is not memory.shared:
                    contexts[:] = [Context(self.code, own, watch, memory.shared)]
                watch.start()
                self._bind(memory, contexts[0], state)
                outputs, now = self._together(memory, contexts[0], inputs)
            return outputs, now, watch.measured(self.code)

        contexts: list[Context] = []
        return run
