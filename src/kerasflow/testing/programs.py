"""Programs with state: graphs from functions of traced arrays, run several times beside the reference evaluation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kerasflow.graph import Constant, Graph, ShapedArray, evaluate, verify
from kerasflow.tracing import Cell, Trace, current_trace, recording


class Variable:
    """State of the functions that are traced here."""

    def __init__(self, array: Any, name: str = "") -> None:
        self.cell = Cell(np.array(array), name)

    @property
    def value(self) -> Any:
        trace = current_trace()
        assert trace is not None, "a variable's value is read while a function is traced"
        return trace.read(self.cell)

    def assign(self, x: Any) -> None:
        trace = current_trace()
        assert trace is not None, "a variable is assigned while a function is traced"
        trace.write(self.cell, x)


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


def copies(arrays: Sequence[Any]) -> list[Any]:
    return [np.array(x) for x in arrays]


def assert_runs(
    backend: Any,
    graph: Graph,
    state: Sequence[Any],
    inputs: Sequence[Any],
    compare: Callable[[Any, Any], None],
    calls: int = 3,
) -> Any:
    """Run a program several times beside `evaluate`; returns the program.

    Inputs and constants must stay as they are, results too when the next call
    is made, and state that the graph does not change. Results are NumPy arrays
    of their own: whoever has them may write into them.

    Args:
        compare: `compare(ours, theirs)` raises an `AssertionError` if two arrays differ.
    """
    program = backend.compile(graph)
    constants = {id(v): v for node in graph.nodes for v in node.inputs if isinstance(v, Constant)}.values()
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
        held = [backend.to_host(buffer) for buffer in buffers]
        for i, (ours, theirs) in enumerate(zip(outputs, expected, strict=True)):
            assert isinstance(ours, np.ndarray), f"result {i} is a {type(ours).__name__}, not a NumPy array"
            compare(ours, theirs)
            others = [*inputs, *held, *outputs[:i]]
            assert not any(np.may_share_memory(ours, x) for x in others), f"result {i} is shared"
        for buffer, theirs in zip(held, expected_state, strict=True):
            compare(buffer, theirs)
        earlier.extend((x, x.tobytes()) for x in outputs)
    return program
