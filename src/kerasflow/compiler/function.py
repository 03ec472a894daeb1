"""`jit`: a Python function that is traced once for each kind of arguments and then runs as a program.

State (cells) that the function reads and assigns becomes state inputs and
outputs of the program. Cells are handed to the program as the backend's own
buffers and stay there between calls.
"""

from __future__ import annotations

import functools
import itertools
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kerasflow._settings import settings
from kerasflow.compiler.alike import require_alike
from kerasflow.compiler.backend import Backend, Program
from kerasflow.compiler.compile import compile_graph
from kerasflow.compiler.finite import finite
from kerasflow.compiler.interrupts import undisturbed
from kerasflow.compiler.nans import watching
from kerasflow.compiler.options import options
from kerasflow.compiler.ranks import given_rows, rows_of_all, sharing, whole_batch
from kerasflow.compiler.registry import current_backend, running_on
from kerasflow.errors import RankError, TracingError
from kerasflow.graph import Graph, HostCall, ShapedArray, evaluate, is_text, kind, shaped
from kerasflow.groups import Group
from kerasflow.tracing import (
    Cell,
    TextTracer,
    Trace,
    Tracer,
    acquire,
    adopted,
    current_trace,
    nesting,
    recording,
    release,
)
from kerasflow.tracing.state import PATIENCE
from kerasflow.tracing.trace import Demand

# Held while a function is traced and compiled; one for all, so that a fork can wait until nobody is at it.
_compiling = threading.RLock()
_forking: list[bool] = []
_uses = itertools.count()
# How much of an entry's key is known before anything has run on the host.
_KEY = 4


def _before_fork() -> None:
    _forking.append(_compiling.acquire(timeout=PATIENCE))


def _after_fork_in_parent() -> None:
    if _forking.pop():
        _compiling.release()


def _after_fork_in_child() -> None:
    global _compiling
    _forking.clear()
    _compiling = threading.RLock()


if hasattr(os, "register_at_fork"):
    # Behind that of `kerasflow.tracing.state`, so that it is asked first: who compiles may read state.
    os.register_at_fork(
        before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child
    )


@dataclass(eq=False)
class Entry:
    """A traced and compiled function for one kind of arguments.

    Attributes:
        graph: the optimized graph. cells: the state, in the order of the graph's state inputs.
        writes: for each cell whether the program changes it. changes: whether it changes any.
        structure: of the outputs. outputs: for each leaf its place among the
            program's outputs, or -1 and the constant that it is.
        host: what is called before the program, in this order; each call's results are behind what was given to it.
        taken: the places of what the program takes in what is given and made so; None if nothing is made.
        demands: what is asked of the values of what is given, by place.
        used: when it was asked for last, as a number that grows.
        places: where each array that is given is among `(arguments, keyword arguments)`.
        group: whose ranks share its batches out; None if it is not shared out.
        whole: whether each of them is given whole batches.
        samples: how many there are, if sparse tensors are among what is given: their arrays do not tell.
    """

    graph: Graph
    program: Program
    backend: Backend
    cells: list[Cell]
    writes: list[bool]
    structure: Any
    outputs: list[tuple[int, Any]]
    host: list[HostCall] = field(default_factory=list)
    taken: list[int] | None = None
    demands: list[tuple[int, Demand]] = field(default_factory=list)
    used: int = 0
    places: list[tuple[Any, ...]] = field(default_factory=list)
    group: Group | None = None
    whole: bool = True
    samples: int | None = None

    def __post_init__(self) -> None:
        self.changes = any(self.writes)
        self.is_new = True

    @property
    def made_on_host(self) -> dict[int, HostCall]:
        """Which of the program's inputs are made on the host, by their places, and by which call."""
        calls = {call.place + i: call for call in self.host for i in range(len(call.results))}
        return {i: calls[place] for i, place in enumerate(self.taken or ()) if place in calls}

    def takes(self, given: Sequence[Any]) -> Sequence[Any]:
        """The program's inputs: of what is given, and made of it on the host, all but text."""
        return given if self.taken is None else [given[i] for i in self.taken]

    def __call__(self, given: Sequence[Any]) -> Any:
        """Run the program. If it is interrupted, its cells hold what they held before it or what they hold after it.

        Args:
            given: what `CompiledFunction.entry` gives.

        Raises:
            ValueError: its values are not what the function has demanded.
            RankError: it runs for the first time, and the ranks that share it out differ in what it computes of.
        """
        for place, demand in self.demands:
            demand(given[place])
        inputs = self.takes(given)
        if self.is_new and self.group is not None:
            state = [cell.read() for cell in self.cells]
            require_alike(self.group, self.graph, state, inputs, same_data=self.whole)
        self.is_new = False
        return undisturbed(self._run, inputs) if self.changes else self._run(inputs)

    def _run(self, inputs: Sequence[Any]) -> Any:
        before: Sequence[Any]
        now: Sequence[Any]
        before = now = acquire(self.cells, self.writes, self.backend)
        try:
            outputs, now = self.program(before, inputs)
        except Exception as error:
            found = self._located(error, before, inputs)
            if found is error:
                raise
            raise found from error
        finally:
            release(self.cells, before, now)
        leaves = [constant if i < 0 else outputs[i] for i, constant in self.outputs]
        return nesting.unflatten(self.structure, leaves)

    def _located(self, error: Exception, state: Sequence[Any], inputs: Sequence[Any]) -> Exception:
        """What the graph's reference meaning raises where a program has failed: the same for every backend, and it
        says from which layer it comes. The program's own error if there is none.
        """
        if not isinstance(error, (MemoryError, RankError)):
            try:
                evaluate(self.graph, [self.backend.to_host(buffer) for buffer in state], inputs)
            except Exception as found:
                return found
        return error


def trace(
    function: Callable[..., Any],
    leaves: Sequence[Any],
    avals: Sequence[ShapedArray | None],
    structure: Any,
    recorder: Trace | None = None,
) -> tuple[Graph, list[Cell], Any, list[tuple[int, Any]]]:
    """Record a function.

    Args:
        leaves, structure: the arguments, a flattened pair of positional and keyword ones.
        avals: for each leaf its type, or None for a leaf that is a constant.
        recorder: what records; if it has a list of what is given, the leaves are, and functions may run on the host.

    Returns:
        The graph, its cells, the structure of the outputs, and for each output
        leaf its place among the graph's outputs, or -1 and a constant.
    """
    recorder = recorder or Trace()
    with recording(recorder):
        traced = [
            leaf if aval is None else recorder.add_input(aval, leaf)
            for leaf, aval in zip(leaves, avals, strict=True)
        ]
        args, kwargs = nesting.unflatten(structure, traced)
        result = function(*args, **kwargs)
        flat, out_structure = nesting.flatten(result)
        results: list[Any] = []
        outputs: list[tuple[int, Any]] = []
        for leaf in flat:
            if hasattr(leaf, "_cell"):
                leaf = recorder.read(leaf._cell)
            leaf = adopted(leaf)
            if isinstance(leaf, TextTracer):
                raise TracingError(
                    "A program gives no strings, and strings are among what the function returns."
                )
            if isinstance(leaf, (Tracer, np.ndarray)):
                outputs.append((len(results), None))
                results.append(leaf)
            else:
                outputs.append((-1, leaf))
        recorder.settle()
        graph = recorder.graph(results)
    return graph, list(recorder.cells), out_structure, outputs


class CompiledFunction:
    """A function that runs as a compiled program; made by `jit`.

    Arguments are nested structures (lists, tuples, dictionaries) of arrays. It
    is traced anew for each new combination of shapes and dtypes; Python numbers,
    strings and other hashable objects are constants of the trace (also traced
    anew for each new value). A variable is itself: the program reads and assigns it.

    Args:
        backend: the name of the backend that runs it; None takes the one chosen when it is called.

    It keeps the programs that were used last, `settings.programs` of them.

    Attributes:
        jit_compile: whether the backend is asked to compile just in time; None leaves that to it.
        shares: whether its batches are shared out among the ranks of a group, where there is one.
        weights: says how many numbers it changes, before it is traced; None if nobody knows.
    """

    def __init__(self, function: Callable[..., Any], backend: str | None = None) -> None:
        self.function = function
        self.backend = backend
        self.jit_compile: bool | None = None
        self.shares = False
        self.weights: Callable[[], int] | None = None
        self.entries: dict[Any, Entry] = {}
        self._host_calls: dict[Any, HostCall] = {}
        functools.update_wrapper(self, function, updated=())

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if current_trace() is not None:
            return self.function(*args, **kwargs)  # Inside another trace it is part of that program.
        entry, inputs = self.entry(args, kwargs)
        return entry(inputs)

    def entry(self, args: Sequence[Any], kwargs: dict[str, Any] | None = None) -> tuple[Entry, list[Any]]:
        """The compiled entry for these arguments (traced now if they are of a new kind), and what it is called with.

        What the entry has done on the host before its program is done here. What kind its results are of decides how
        it goes on: a program is found by the kinds of its arguments and, one after the other, of those results.
        """
        leaves, structure = nesting.flatten((tuple(args), kwargs or {}))
        given: list[Any] = []
        key: list[Any] = []
        for leaf in leaves:
            if _is_array(leaf):
                leaf = np.asarray(leaf)
                key.append(kind(leaf))
                given.append(leaf)
            else:
                key.append((type(leaf), getattr(leaf, "_cell", leaf)))
        backend = current_backend(self.backend)
        if watching():
            backend = finite(backend)
        asked = options(backend, jit_compile=self.jit_compile)
        if self.shares and (group := sharing()) is not None:
            asked["group"] = group
            if given_rows():
                if nesting.sparse_rows(structure) is not None:
                    raise RankError(
                        "Sparse tensors are not joined of the rows of several ranks: give each whole batches, with "
                        "`auto_shard_dataset=True`."
                    )
                asked["given"] = rows_of_all(group, given)
        # An entry keeps its backend, and so the number.
        full_key: tuple[Any, ...] = (id(backend), tuple(asked.items()), structure, tuple(key))
        while (call := self._host_calls.get(full_key)) is not None:
            results, kinds = call(given)
            given += results
            full_key += (kinds,)
        entry = self.entries.get(full_key)
        if entry is None:
            with _compiling:
                entry = self.entries.get(full_key)
                if entry is None:
                    entry, given = self._compile(full_key, leaves, structure, backend, asked)
        entry.used = next(_uses)
        return entry, given

    def forget(self) -> None:
        """Keep no program: the next call is traced anew."""
        self.entries.clear()
        self._host_calls.clear()

    def _keep(self, key: Any, entry: Entry) -> None:
        """Keep an entry, and let those go that were used longest ago."""
        others = sorted(self.entries, key=lambda other: self.entries[other].used)
        for other in others[: max(len(others) + 1 - settings.programs, 0)]:
            del self.entries[other]
        self.entries[key] = entry
        if self._host_calls:
            begun = {kept[:n] for kept in self.entries for n in range(_KEY, len(kept))}
            self._host_calls = {k: call for k, call in self._host_calls.items() if k in begun}

    def _compile(
        self, key: tuple[Any, ...], leaves: list[Any], structure: Any, backend: Backend, asked: dict[str, Any]
    ) -> tuple[Entry, list[Any]]:
        """A new entry, which is kept, and what is given to it, what was made on the host included."""
        leaves = [np.asarray(leaf) if _is_array(leaf) else leaf for leaf in leaves]
        avals = [shaped(leaf) if _is_array(leaf) else None for leaf in leaves]
        if "given" in asked:
            avals = whole_batch(avals, asked["given"], asked["group"].rank)
        sparse = nesting.sparse_rows(structure)
        if sparse is not None:
            asked = {**asked, "samples": sparse}
        recorder = Trace()
        recorder.given = []
        if self.weights is not None and "group" not in asked and hasattr(backend, "expect"):
            first = next((aval.shape[0] for aval in avals if aval is not None and aval.ndim), 0)
            samples = first if sparse is None else sparse
            backend.expect(self.weights() * samples)
        with running_on(backend):
            graph, cells, out_structure, outputs = trace(self.function, leaves, avals, structure, recorder)
        given: list[Any] = recorder.given
        recorder.given = None  # A traced array that is kept somewhere keeps no data.
        if "given" in asked and recorder.host_calls:
            raise RankError(
                "A part of the model runs on the host, before its program, and needs whole batches there: use "
                "`auto_shard_dataset=True`, or apply those layers to the data before."
            )
        places = {value: i for i, value in enumerate(graph.inputs)}
        taken = [i for i, value in enumerate(graph.inputs) if not is_text(value.aval.dtype)]
        graph.inputs = [graph.inputs[i] for i in taken]
        graph, program = compile_graph(graph, backend, **asked)
        changes = graph.changes
        writes = [i in changes for i in range(len(cells))]
        entry = Entry(graph, program, backend, cells, writes, out_structure, outputs)
        entry.group, entry.whole, entry.samples = asked.get("group"), "given" not in asked, sparse
        entry.places = [place for place, aval in zip(structure.paths(), avals, strict=True) if aval]
        if len(taken) < len(given) or recorder.host_calls:
            entry.host, entry.taken = [call for call, _ in recorder.host_calls], taken
        entry.demands = [(places[value], demand) for value, demand in recorder.demands]
        key = key[:_KEY]
        for call, kinds in recorder.host_calls:
            self._host_calls[key] = call
            key += (kinds,)
        self._keep(key, entry)
        return entry, given


def _is_array(leaf: Any) -> bool:
    """Whether an argument is an input of the program; a variable is not, but a part of its state."""
    return isinstance(leaf, np.ndarray) or (hasattr(leaf, "__array__") and not hasattr(leaf, "_cell"))


def jit(function: Callable[..., Any]) -> CompiledFunction:
    """Compile a function of NumPy arrays.

    Args:
        function: written in plain NumPy or `keras.ops`. Python control flow on
            values of arrays is not possible; shapes are known.

    Returns:
        A function with the same arguments that returns NumPy arrays.
        It runs on the backend that is chosen when it is called.

    Raises:
        TracingError: at the first call, if the function needs a value while it is traced.
    """
    return CompiledFunction(function)
