"""What tests of graphs, passes and backends share: making graphs from functions, and comparing to the bit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from kerasflow.compiler import backends, current_backend
from kerasflow.errors import UnknownBackendError
from kerasflow.graph import Graph, Primitive, ShapedArray, Value, evaluate, shaped, verify
from kerasflow.tracing import Cell, Trace, current_trace, recording


def installed_backends() -> dict[str, Any]:
    """The backends whose frameworks are installed, by name; CI has them all."""
    found = {}
    for name in backends():
        with suppress(UnknownBackendError):
            found[name] = current_backend(name)
    return found


def aval(*shape: int, dtype: Any = np.float32) -> ShapedArray:
    return ShapedArray(shape, np.dtype(dtype))


class Variable:
    """State of the functions that are traced here."""

    def __init__(self, array: Any, name: str = "") -> None:
        self.cell = Cell(np.array(array), name)

    @property
    def value(self) -> Any:
        return current_trace().read(self.cell)

    def assign(self, x: Any) -> None:
        current_trace().write(self.cell, x)


def graph_of(function: Callable[..., Any], *avals: ShapedArray, variables: Sequence[Variable] = ()) -> Graph:
    """A function of tracers as a graph whose state are the variables, in this order."""
    trace = Trace()
    with recording(trace):
        for variable in variables:
            trace.use(variable.cell)
        outputs = function(*map(trace.add_input, avals))
        outputs = list(outputs) if isinstance(outputs, (tuple, list)) else [outputs]
        graph = trace.graph([x for x in outputs if x is not None])
    verify(graph)
    return graph


def branch(function: Callable[..., Any], *avals: ShapedArray) -> Graph:
    """A function as a branch of a conditional."""
    return graph_of(function, *avals)


def names(graph: Graph) -> list[str]:
    """The primitives of the nodes, in order."""
    return [node.primitive.name for node in graph.nodes]


def copies(arrays: Sequence[Any]) -> list[Any]:
    return [np.array(x) for x in arrays]


def assert_same(ours: Any, theirs: Any, what: str = "", signed_zeros: bool = True) -> None:
    """The same shape, dtype and bits; every NaN is the same as any other."""
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype), what
    if ours.dtype.kind in "fVc":
        wide = np.complex128 if ours.dtype.kind == "c" else np.float64
        ours, theirs = (x.astype(wide).reshape(-1).view(np.float64) for x in (ours, theirs))
        if signed_zeros:
            number = ~np.isnan(theirs)
            np.testing.assert_array_equal(np.signbit(ours[number]), np.signbit(theirs[number]), err_msg=what)
    np.testing.assert_array_equal(ours, theirs, err_msg=what)


def assert_equivalent(
    before: Graph, after: Graph, state: Sequence[Any], inputs: Sequence[Any], **options: Any
) -> None:
    """Two graphs compute the same, and have the same signature."""
    verify(after)
    assert before.inputs == after.inputs and before.state_inputs == after.state_inputs
    outputs, new_state = evaluate(before, copies(state), copies(inputs))
    found, found_state = evaluate(after, copies(state), copies(inputs))
    for theirs, ours in zip(outputs + new_state, found + found_state, strict=True):
        assert_same(ours, theirs, **options)


def assert_runs(
    backend: Any,
    graph: Graph,
    state: Sequence[Any],
    inputs: Sequence[Any],
    calls: int = 3,
    compare: Callable[[Any, Any], None] = assert_same,
) -> Any:
    """Run a program several times beside `evaluate`; returns the program.

    Inputs and constants must stay as they are, results too when the next call
    is made, and state that the graph does not change.
    """
    program = backend.compile(graph)
    constants = {id(v): v for node in graph.nodes for v in node.inputs if hasattr(v, "array")}.values()
    frozen = [(v.array, v.array.tobytes()) for v in constants]
    expected_state = copies(state)
    buffers: Sequence[Any] = [backend.from_host(np.array(x)) for x in state]
    earlier: list[tuple[Any, bytes]] = []
    for _ in range(calls):
        given = [x.tobytes() for x in inputs]
        expected, expected_state = evaluate(graph, expected_state, inputs)
        expected, expected_state = copies(expected), copies(expected_state)
        outputs, buffers = program(buffers, inputs)
        assert [x.tobytes() for x in inputs] == given, "an input was changed"
        assert all(x.tobytes() == before for x, before in frozen), "a constant was changed"
        assert all(x.tobytes() == before for x, before in earlier), "an earlier result was changed"
        assert len(outputs) == len(expected) and len(buffers) == len(expected_state)
        for i, (ours, theirs) in enumerate(zip(outputs, expected, strict=True)):
            assert isinstance(ours, np.ndarray)
            compare(ours, theirs)
            assert not any(np.may_share_memory(ours, x) for x in [*inputs, *buffers, *outputs[:i]])
        for buffer, theirs in zip(buffers, expected_state, strict=True):
            compare(backend.to_host(buffer), theirs)
        earlier.extend((x, x.tobytes()) for x in outputs)
    return program


__all__ = [
    "Graph", "Primitive", "Value", "Variable", "assert_equivalent", "assert_runs", "assert_same",
    "aval", "branch", "copies", "graph_of", "names", "shaped",
]  # fmt: skip
