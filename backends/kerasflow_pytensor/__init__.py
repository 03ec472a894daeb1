"""The PyTensor backend, in Theano's style: graphs become symbolic tensors, these a compiled `pytensor.function`."""

from __future__ import annotations

from typing import Any

import numpy as np

from kerasflow.graph import Graph
from kerasflow_pytensor.dtypes import Array
from kerasflow_pytensor.lowering import REFUSED, SUPPORTED
from kerasflow_pytensor.modes import mode
from kerasflow_pytensor.program import PytensorProgram


class PytensorBackend:
    """Runs programs with PyTensor."""

    name = "pytensor"
    primitives = SUPPORTED
    refused = REFUSED

    def __init__(self, linker: str | None = None) -> None:
        self.linker = linker

    def compile(self, graph: Graph) -> PytensorProgram:
        """The graph as a program; state are arrays that programs change in place."""
        return PytensorProgram(graph, *mode(self.linker))

    def from_host(self, array: np.ndarray[Any, Any]) -> Array:
        """A copy of the array."""
        return np.array(array, order="C")

    def to_host(self, buffer: Array) -> Array:
        """The array itself."""
        return buffer
