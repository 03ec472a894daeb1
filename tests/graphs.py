"""What tests of graphs, passes and backends share: making graphs from functions, and comparing to the bit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np

from kerasflow.compiler import backends, current_backend
from kerasflow.errors import UnknownBackendError
from kerasflow.graph import Graph, Primitive, ShapedArray, Value, evaluate, shaped, verify
from kerasflow.testing import programs
from kerasflow.testing.programs import Variable, copies, graph_of


def installed_backends() -> dict[str, Any]:
    """The backends whose frameworks are installed, by name; CI has them all."""
    found = {}
    for name in backends():
        with suppress(UnknownBackendError):
            found[name] = current_backend(name)
    return found


def aval(*shape: int, dtype: Any = np.float32) -> ShapedArray:
    return ShapedArray(shape, np.dtype(dtype))


def branch(function: Callable[..., Any], *avals: ShapedArray) -> Graph:
    """A function as a branch of a conditional."""
    return graph_of(function, *avals)


def names(graph: Graph) -> list[str]:
    """The primitives of the nodes, in order."""
    return [node.primitive.name for node in graph.nodes]


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


# To the bit, unless a test compares otherwise.
assert_runs = partial(programs.assert_runs, compare=assert_same)

__all__ = [
    "Graph", "Primitive", "Value", "Variable", "assert_equivalent", "assert_runs", "assert_same",
    "aval", "branch", "copies", "graph_of", "names", "shaped",
]  # fmt: skip
