"""A graph as a `pytensor.function`."""

from __future__ import annotations

import functools
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
from pytensor.link.basic import Container
from pytensor.tensor.sharedvar import TensorSharedVariable

from kerasflow.blas import libraries, one_thread
from kerasflow.graph import Graph, check_inputs
from kerasflow_pytensor.control import function
from kerasflow_pytensor.dtypes import Array, carrier, tensor_type
from kerasflow_pytensor.lowering import Lowered
from kerasflow_pytensor.modes import Settings


def _shared(value: Any) -> TensorSharedVariable:
    """A shared variable whose container is empty."""
    kind = tensor_type(value.aval)
    return TensorSharedVariable(kind, None, None, container=Container(kind, [None]))


@functools.cache
def _libraries() -> tuple[Any, ...]:
    """When the first program runs, what PyTensor links to is loaded."""
    return libraries()


class PytensorProgram:
    """A compiled graph; calls from several threads follow one another.

    State are shared variables with updates. For a call their containers hold the state's buffers, so that an update
    may be computed in place; between calls they hold nothing.

    Attributes:
        function: the PyTensor function, of the inputs.
    """

    def __init__(self, graph: Graph, settings: Settings) -> None:
        self.inputs = [v.aval for v in graph.inputs]
        self.outputs = [v.aval.dtype for v in graph.outputs]
        self.state = [(carrier(v.aval.dtype), v.aval.dtype) for v in graph.state_inputs]
        shared = [_shared(v) for v in graph.state_inputs]
        inputs = [tensor_type(v.aval)() for v in graph.inputs]
        outputs, new = Lowered(settings).results(graph, shared, inputs)
        updates = [(x, y) for x, y in zip(shared, new, strict=True) if x is not y]
        self.function = function(inputs, outputs, settings.mode, updates)
        self.containers = [x.container for x in shared]
        self._lock = threading.Lock()

    def __call__(self, state: Sequence[Array], inputs: Sequence[Any]) -> tuple[list[Array], list[Array]]:
        check_inputs(self.inputs, inputs)
        arrays = []
        for given, aval in zip(inputs, self.inputs, strict=True):
            aligned = given if given.flags.aligned else given.copy()
            arrays.append(aligned.view(carrier(aval.dtype)))
        with self._lock, one_thread(_libraries()), np.errstate(all="ignore"):
            try:
                for container, buffer, (held, _) in zip(self.containers, state, self.state, strict=True):
                    container.storage[0] = buffer.view(held)
                outputs = self.function(*arrays)
                now = [
                    np.asarray(container.storage[0]).view(dtype)
                    for container, (_, dtype) in zip(self.containers, self.state, strict=True)
                ]
            finally:
                for container in self.containers:
                    container.storage[0] = None
        return [np.asarray(x).view(dtype) for x, dtype in zip(outputs, self.outputs, strict=True)], now
