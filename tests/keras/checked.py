"""A check on the NumPy backend: each program against the node-by-node evaluation of the graph it was made from."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from kerasflow.graph import Graph, all_nodes, evaluate
from kerasflow_numpy import NumpyBackend

# Fused and regrouped arithmetic differs in the last bits; wrong memory differs in the first.
TOLERANCE = {2: 2e-2, 4: 1e-4, 8: 1e-10}
# How many calls of each program are checked.
CALLS = 20


class CheckedProgram:
    """A program that compares its results with `kerasflow.graph.evaluate` at its first calls."""

    def __init__(self, graph: Graph, program: Any) -> None:
        self.graph, self.program, self.calls = graph, program, 0
        # Half precision is more exact in a program than node by node.
        halves = any(v.aval.dtype.itemsize == 2 for node in all_nodes(graph) for v in node.outputs)
        self.least = TOLERANCE[2] if halves else 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.program, name)

    def __call__(self, state: Sequence[Any], inputs: Sequence[Any]) -> Any:
        self.calls += 1
        if self.calls > CALLS:
            return self.program(state, inputs)
        state_before, inputs_before = [np.array(s) for s in state], [np.array(x) for x in inputs]
        expected, expected_state = evaluate(self.graph, state_before, inputs_before)
        outputs, new_state = self.program(state, inputs)
        for before, now in zip(inputs_before, inputs, strict=True):
            np.testing.assert_array_equal(now, before, "a program changed its input")
        for i, (ours, plain) in enumerate(zip(outputs, expected, strict=True)):
            compare(f"output {i}", ours, plain, self.least)
        for name, ours, plain in zip(self.graph.state_names, new_state, expected_state, strict=True):
            compare(f"state {name}", ours, plain, self.least)
        return outputs, new_state


def compare(what: str, ours: Any, plain: Any, least: float = 0.0) -> None:
    ours, plain = np.asarray(ours), np.asarray(plain)
    assert (ours.dtype, ours.shape) == (plain.dtype, plain.shape), what
    if ours.dtype.kind not in "fV":
        np.testing.assert_array_equal(ours, plain, what)
        return
    tolerance = max(TOLERANCE[ours.dtype.itemsize], least)
    ours, plain = ours.astype("float64"), plain.astype("float64")
    finite = np.abs(plain[np.isfinite(plain)])
    scale = finite.max() if finite.size else 0.0
    np.testing.assert_allclose(
        ours, plain, tolerance, tolerance * scale, err_msg=f"{what}: program and graph differ"
    )


@contextmanager
def checked_programs() -> Iterator[None]:
    """Every program compiled in the block checks itself."""
    compile_graph = NumpyBackend.compile

    def checked(self: NumpyBackend, graph: Graph) -> Any:
        return CheckedProgram(graph, compile_graph(self, graph))

    NumpyBackend.compile = checked  # type: ignore[method-assign]
    try:
        yield
    finally:
        NumpyBackend.compile = compile_graph  # type: ignore[method-assign]
