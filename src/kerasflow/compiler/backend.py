"""What a backend is: a structure, not a base class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np

from kerasflow.graph import Graph


class Program(Protocol):
    """A compiled graph.

    Called with the state's buffers and the inputs (NumPy arrays), it returns
    `(outputs, new_state)`: NumPy arrays that share memory with nothing else, and
    one buffer for each state input. It owns the state's buffers during the call
    and may write in place into those whose state output differs from the input;
    the others, and the inputs, it leaves as they are. Several threads may call it.

    What a program may have besides:
        source: its text, for people.
        measured(): a program that computes the same and returns a third part: a list of `Measurement`s, one for each
            of its lines (or what it has for lines), the same lines each time, whose seconds add up to its time.
            `kerasflow.profile` shows them.
        kept: the bytes that it has in use between calls, but for the state.
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

    What a backend may have besides:
        threads: an attribute in which it is told how many threads its programs may use.
        processes: the same, of processes of its own. Then it has
        ranks(graph, alone): how many of them are to run a program together, where one would run the graph `alone`; and
        compile_ranks(graph, rows, cut): the program of an optimized graph that so many run together, each on its rows
            of the batch; `cut` has the graph (`kerasflow.passes.shard.Sharded`) for each number of rows.
        expect(work): called before a function is traced that will change state: weights times samples.
        refused: why it lacks primitives, reasons by name.
        framework: the name of the module that does the work; its `__version__` is shown to users.
        devices(): what its programs can run on: "cpu:0", "gpu:0" and so on, each with a short description or "".
        refill(buffer, array): copies a NumPy array into a buffer, if buffers can be changed in place; without it, what
            host code assigns comes as a new buffer.
        formats: the names, Keras's, of file formats that `export` writes.
        export(format, path, endpoints, variables, **options): writes functions for every batch size (each has `graph`,
            `variables`, `arguments`, `names` and `result`: `bridge/export.py`) and named collections of variables (each
            has `name`, `array`, `trainable`) into a new folder.
        record(): begins a recording of its framework's own functions (`kerasflow.tracing.foreign.Recording`); what has
            been recorded comes back as `foreign_function` nodes, which it lowers besides its `primitives`.
        options: the names of keyword arguments that `compile` takes, of these: `device`, one of its devices, where the
            user has chosen one; `jit_compile`, whether the user wants that, not given where Keras's argument is "auto".
    """

    name: str
    primitives: frozenset[str]

    def compile(self, graph: Graph) -> Program:
        """A program that computes what `kerasflow.graph.evaluate` computes."""

    def from_host(self, array: np.ndarray[Any, Any]) -> Any:
        """A new buffer of the backend's own with the contents of a NumPy array."""

    def to_host(self, buffer: Any) -> np.ndarray[Any, Any]:
        """The contents of a buffer as a NumPy array, which may share its memory."""
