"""The NumPy backend: graphs become flat Python functions of NumPy calls.

In the order in which data passes: `plan` decides what is computed how, and where every value lives; `emit` writes the
function; `run` gives it memory and runs it. A graph comes in, a program goes out. Open `plan` first.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kerasflow.graph import Graph
from kerasflow_numpy.emit.codegen import generate
from kerasflow_numpy.emit.lowering import SUPPORTED
from kerasflow_numpy.plan.allocation import allocate
from kerasflow_numpy.plan.blocks import block
from kerasflow_numpy.plan.fusion import find_groups
from kerasflow_numpy.plan.halves import widen
from kerasflow_numpy.plan.prepare import prepare
from kerasflow_numpy.plan.subgraphs import plan_storage
from kerasflow_numpy.run.program import NumpyProgram


class NumpyBackend:
    """Runs programs with NumPy alone (and SciPy for its special functions).

    Args:
        poison: for tests: fill every block of the workspace with 0xFF bytes (NaN, -1) before its first and after
            its last use, so that any use of memory that is not alive shows.
        exact: compute bit for bit what the graph says: large sums are not regrouped for speed.
        threads: on how many threads a large operation runs. The results' last bits depend on it.
    """

    name = "numpy"
    framework = "numpy"
    primitives = SUPPORTED

    def __init__(self, poison: bool = False, exact: bool = False, threads: int = 1) -> None:
        self.poison = poison
        self.exact = exact
        self.threads = threads

    def devices(self) -> dict[str, str]:
        """The processor, with the number of threads that a large operation runs on."""
        return {"cpu:0": f"{self.threads} thread{'s' if self.threads > 1 else ''}"}

    def compile(self, graph: Graph) -> NumpyProgram:
        """The graph as a program; state arrays are written in place."""
        graph = prepare(graph if self.exact else widen(graph), self.exact)
        if not self.exact:
            updates = {node for group in find_groups(graph) for node in group.nodes}
            graph = block(graph, updates, self.threads)
        plan = plan_storage(graph, find_groups(graph), threads=self.threads)
        code = generate(graph, plan, self.poison, self.threads)
        return NumpyProgram(code, allocate(plan), [v.aval for v in graph.inputs])

    def from_host(self, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """A copy that programs may write."""
        return np.array(array, order="C")

    def to_host(self, buffer: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """The buffer itself."""
        return buffer

    def refill(self, buffer: np.ndarray[Any, Any], array: np.ndarray[Any, Any]) -> None:
        """Copy the array into the buffer."""
        np.copyto(buffer, array)
