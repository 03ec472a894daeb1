"""The NumPy backend: graphs become flat Python functions of NumPy calls.

In the order in which data passes: `plan` decides what is computed how, and where every value lives; `emit` writes the
function; `run` gives it memory and runs it. A graph comes in, a program goes out. Open `plan` first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from kerasflow.errors import RankError
from kerasflow.graph import Graph
from kerasflow_numpy.emit.code import Code
from kerasflow_numpy.emit.codegen import generate
from kerasflow_numpy.emit.lowering import SUPPORTED
from kerasflow_numpy.plan.allocation import allocate, laid_out, lay_open
from kerasflow_numpy.plan.blocks import block
from kerasflow_numpy.plan.fusion import find_groups
from kerasflow_numpy.plan.halves import widen
from kerasflow_numpy.plan.prepare import prepare
from kerasflow_numpy.plan.shares import share_sums
from kerasflow_numpy.plan.subgraphs import plan_storage
from kerasflow_numpy.plan.worth import LEAST_SECONDS, seconds, updates_rows
from kerasflow_numpy.run.program import NumpyProgram
from kerasflow_numpy.team.program import TeamProgram
from kerasflow_numpy.team.rank import Rank, RankCode, Sharded
from kerasflow_numpy.team.start import available
from kerasflow_numpy.team.team import is_running
from kerasflow_numpy.team.team import team as start_team

# A program that changes as many numbers is a step of training, for which other processes may be started.
LEAST_CHANGED = 1 << 10
# With fewer weights times samples, a step is hardly worth other processes.
LEAST_WORK = 1 << 21


class NumpyBackend:
    """Runs programs with NumPy alone (and SciPy for its special functions).

    Args:
        poison: for tests: fill every block of the workspace with 0xFF bytes (NaN, -1) before its first and after
            its last use, so that any use of memory that is not alive shows.
        exact: compute bit for bit what the graph says: large sums are not regrouped for speed.
        threads: on how many threads a large operation runs. The results' last bits depend on it.
        processes: how many processes may share a long program out among themselves; so do the last bits on this.
    """

    name = "numpy"
    framework = "numpy"
    primitives = SUPPORTED

    def __init__(
        self, poison: bool = False, exact: bool = False, threads: int = 1, processes: int = 1
    ) -> None:
        self.poison = poison
        self.exact = exact
        self.threads = threads
        self.processes = processes

    def devices(self) -> dict[str, str]:
        """The processor, with the number of threads that a large operation runs on."""
        return {"cpu:0": f"{self.threads} thread{'s' if self.threads > 1 else ''}"}

    def compile(self, graph: Graph) -> NumpyProgram:
        """The graph as a program; state arrays are written in place."""
        code, workspace = self._code(graph, self.threads)
        return NumpyProgram(code, workspace, [v.aval for v in graph.inputs])

    @property
    def _shares(self) -> bool:
        """Whether programs may be shared out at all."""
        return self.processes > 1 and not (self.exact or self.poison)

    def expect(self, work: int) -> None:
        """A training step will be compiled: other processes, if it is worth them, are started meanwhile.

        Args:
            work: weights times samples.
        """
        if self._shares and work >= LEAST_WORK and available() is None:
            with suppress(RankError):
                start_team(self.processes)

    def ranks(self, graph: Graph, alone: Graph | None = None) -> int:
        """How many processes are to run a program together: several if that is worth it, and can be done here.

        The first program of a process for which others are started is one that changes much state, as a step of
        training does: it will be called many times. Others are shared out if the others are there.

        Args:
            alone: what one process would run in its place, if that is another graph: it treats some rows of a table
                where several treat all.
        """
        if not self._shares or updates_rows(graph):
            return 1
        work = seconds(graph)
        if work < LEAST_SECONDS or (alone is not None and seconds(alone) * self.processes < work):
            return 1
        changed = sum(graph.state_inputs[i].aval.size for i in graph.changes)
        starts = changed >= LEAST_CHANGED or is_running(self.processes)
        return self.processes if starts and available() is None else 1

    def compile_ranks(self, graph: Graph, rows: Sequence[int], cut: Mapping[int, Sharded]) -> TeamProgram:
        """A graph as a program of several processes.

        Args:
            graph: of the whole batch. rows: how many of its rows each process has. cut: the graph for each such number.
        """
        state = [v.aval for v in graph.state_inputs]
        codes = {}
        for size, sharded in cut.items():
            code, workspace = self._code(sharded.graph, 1, len(rows))
            codes[size] = RankCode(code, workspace, [v.aval for v in sharded.graph.inputs], state)
        inputs = [v.aval for v in graph.inputs]
        return TeamProgram(Rank(codes, tuple(rows)), cut[rows[0]], inputs, lambda: self.compile(graph))

    def _code(self, graph: Graph, threads: int, ranks: int = 1) -> tuple[Code, int]:
        """The code of a graph, and the size of its workspace in bytes.

        Args:
            ranks: how many processes run it at the same time, on the same state in shared memory.
        """
        graph = prepare(graph if self.exact else widen(graph), self.exact)
        if ranks > 1:
            graph = share_sums(graph)
        if not self.exact:
            updates = {node for group in find_groups(graph, ranks > 1) for node in group.nodes}
            graph = block(graph, updates, threads)
        groups = find_groups(graph, ranks > 1)
        plan = plan_storage(graph, groups, threads=threads)
        code = generate(graph, plan, self.poison, threads, ranks)
        if ranks > 1:
            changed = set(graph.changes) - {i for group in groups for m in group.members for _, i in m.states}
            code.shared_state = [i for i in range(len(graph.state_inputs)) if i not in changed]
            code.shown_bytes, code.meeting_bytes = lay_open(plan), laid_out(graph, ranks)
        return code, allocate(plan)

    def from_host(self, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """A copy that programs may write."""
        return np.array(array, order="C")

    def to_host(self, buffer: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """The buffer itself."""
        return buffer

    def refill(self, buffer: np.ndarray[Any, Any], array: np.ndarray[Any, Any]) -> None:
        """Copy the array into the buffer."""
        np.copyto(buffer, array)
