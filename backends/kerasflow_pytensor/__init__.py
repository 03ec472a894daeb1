"""The PyTensor backend, in Theano's style: a symbolic graph, rewritten and compiled, with shared variables for state.

`lowering` has the table from primitives to PyTensor's operations; `elementwise`, `arrays` and `windows` have the
functions that it names, family by family, `numpys` NumPy's own functions as operations, `control` conditionals and
loops, `meetings` what ranks of a group do together. `modes` chooses linker and rewrites, `interpreted` what is compiled
as C. `program` makes a graph a `pytensor.function`; `products` cuts large products into parts.
A graph comes in, a program goes out. Open `lowering` first.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kerasflow.graph import Graph
from kerasflow_pytensor.dtypes import Array
from kerasflow_pytensor.lowering import REFUSED, SUPPORTED
from kerasflow_pytensor.modes import chosen_linker, settings
from kerasflow_pytensor.program import PytensorProgram


class PytensorBackend:
    """Runs programs with PyTensor.

    The linker is a setting: PyTensor's own (`PYTENSOR_FLAGS=linker=numba`, `pytensor.config.linker`), which holds for
    programs that are compiled from then on. By default it is "cvm": fused loops over many elements are compiled as C,
    which needs g++ (a second for each loop that is new to PyTensor's cache), everything else calls NumPy. "numba"
    compiles whole programs, a training step in about a minute. Without g++ PyTensor warns when it is imported, and
    NumPy's functions run one by one, as they do with "py".

    Args:
        linker: PyTensor's name of a linker, instead of the one that PyTensor is configured for.
        native_from: from how many elements on what is done element by element is compiled; None leaves the choice to
            the backend.

    Attributes:
        threads: how many a large product of matrices may use.
    """

    name = "pytensor"
    framework = "pytensor"
    primitives = SUPPORTED
    refused = REFUSED

    def __init__(self, linker: str | None = None, native_from: float | None = None) -> None:
        self.linker = linker
        self.native_from = native_from
        self.threads = 1

    def devices(self) -> dict[str, str]:
        """The processor, with the linker that programs are compiled with."""
        return {"cpu:0": f"linker {self.linker or chosen_linker()}"}

    def compile(self, graph: Graph) -> PytensorProgram:
        """The graph as a program; state are arrays that programs change in place."""
        return PytensorProgram(graph, settings(self.linker, self.native_from, self.threads))

    def from_host(self, array: np.ndarray[Any, Any]) -> Array:
        """A copy of the array."""
        return np.array(array, order="C")

    def to_host(self, buffer: Array) -> Array:
        """The array itself."""
        return buffer

    def refill(self, buffer: Array, array: Array) -> None:
        """Copy the array into the buffer."""
        np.copyto(buffer, array)
