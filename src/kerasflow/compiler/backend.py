"""What a backend is: a structure, not a base class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np

from kerasflow.graph import Graph


class Program(Protocol):
    """A compiled graph.

    Called with the state's buffers and the inputs (NumPy arrays), it returns
    `(outputs, new_state)`: NumPy arrays, and one buffer for each state input. It
    owns the state's buffers during the call and may write in place into those
    whose state output differs from the input; the others it leaves as they are.
    """

    def __call__(
        self, state: Sequence[Any], inputs: Sequence[Any]
    ) -> tuple[Sequence[Any], Sequence[Any]]: ...


@runtime_checkable
class Backend(Protocol):
    """An engine that runs graphs.

    Attributes:
        name: as users write it.
        primitives: the names of the primitives it has.

    A backend may also have

    - `threads`: is set to the number of threads that its programs may use;
    - `refused`: why it lacks primitives, reasons by name;
    - `devices()`: the names of its devices, "cpu:0", "gpu:0" and so on;
    - `options`: the names of the keyword arguments that its `compile` takes, among them `device` (one of its
      devices, where the user has chosen one) and `jit_compile` (whether Keras's user wants it; not given for "auto").
    """

    name: str
    primitives: frozenset[str]

    def compile(self, graph: Graph) -> Program:
        """A program that computes what `kerasflow.graph.evaluate` computes."""

    def from_host(self, array: np.ndarray[Any, Any]) -> Any:
        """A new buffer of the backend's own with the contents of a NumPy array."""

    def to_host(self, buffer: Any) -> np.ndarray[Any, Any]:
        """The contents of a buffer as a NumPy array, which may share its memory."""
