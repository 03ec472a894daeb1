"""Random programs: eager NumPy, the traced graph, the graph after each pass and the compiled program agree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from graphs import Variable, assert_runs, assert_same, copies, graph_of, shaped
from hypothesis import given
from hypothesis import strategies as st
from programs import SHAPES, STATE_SHAPES, recipes, run

from kerasflow.graph import Graph, evaluate, verify
from kerasflow.passes import PASSES, optimize
from kerasflow_numpy import NumpyBackend
from kerasflow_numpy.plan import blocks

# Zeros of both signs, ties, infinities; the ends are likelier than the middle.
ELEMENTS = np.array([0, -0.0, 1, 2, -1, 0.5, -3, 1e30, -1e-40, np.inf, -np.inf, np.nan, 7, 0.1], np.float32)


class Eager:
    """A variable outside any trace."""

    def __init__(self, array: np.ndarray) -> None:
        self.value: Any = array

    def assign(self, x: Any) -> None:
        self.value = np.array(x)


@st.composite
def arrays(draw: st.DrawFn, shape: tuple[int, ...]) -> np.ndarray:
    limit = draw(st.integers(1, len(ELEMENTS)))
    seed = draw(st.integers(0, 1000))
    return np.array(ELEMENTS[np.random.default_rng(seed).integers(0, limit, shape)])


@st.composite
def cases(draw: st.DrawFn, state: bool = True) -> tuple[list[Any], list[np.ndarray], list[np.ndarray]]:
    recipe = draw(recipes(state=state))
    inputs = [
        draw(arrays(shape)) for shape in draw(st.lists(st.sampled_from(SHAPES), min_size=1, max_size=3))
    ]
    return recipe, inputs, [draw(arrays(shape)) for shape in STATE_SHAPES] if state else []


def traced(recipe: Any, inputs: Sequence[np.ndarray], state: Sequence[np.ndarray]) -> Graph:
    variables = [Variable(x, f"v{i}") for i, x in enumerate(state)]
    return graph_of(lambda *xs: run(recipe, xs, variables), *map(shaped, inputs), variables=variables)


@given(cases())
def test_programs_agree(case: Any) -> None:
    recipe, inputs, state = case
    eager = [Eager(x) for x in copies(state)]
    with np.errstate(all="ignore"):
        expected = [*run(recipe, copies(inputs), eager), *(v.value for v in eager)]
    graph = traced(recipe, inputs, state)

    def compare(graph: Graph, what: str) -> None:
        verify(graph, after=what)
        outputs, new_state = evaluate(graph, copies(state), copies(inputs))
        for ours, theirs in zip([*outputs, *new_state], expected, strict=True):
            assert_same(ours, theirs, what)

    compare(graph, "tracing")
    after = graph
    for apply_pass in PASSES:
        after = apply_pass(after)
        compare(after, apply_pass.__name__)
    best = optimize(graph)
    compare(best, "optimize")
    compare(optimize(best), "optimize twice")
    for g in (graph, best):
        for poison in (True, False):
            assert_runs(NumpyBackend(poison, exact=True), g, state, inputs, calls=3)


@given(cases(), cases())
def test_programs_that_share_state(first: Any, second: Any) -> None:
    """Two programs take turns: buffers that one has moved together are the other's too."""
    state = first[2]
    backend = NumpyBackend(exact=True)
    graphs = [optimize(traced(recipe, inputs, state)) for recipe, inputs, _ in (first, second)]
    programs = [backend.compile(graph) for graph in graphs]
    expected: Any = copies(state)
    buffers: Any = [backend.from_host(x) for x in state]
    for i in (0, 1, 1, 0, 1):
        inputs = (first, second)[i][1]
        outputs, buffers = programs[i](buffers, inputs)
        theirs, expected = evaluate(graphs[i], expected, inputs)
        theirs, expected = copies(theirs), copies(expected)
        for a, b in zip([*outputs, *buffers], [*theirs, *expected], strict=True):
            assert_same(a, b)


@given(cases(state=False))
def test_common_subexpressions(case: Any) -> None:
    """Everything written twice is computed once."""
    recipe, inputs, _ = case
    avals = [shaped(x) for x in inputs]
    once = optimize(graph_of(lambda *xs: run(recipe, xs), *avals))
    twice = optimize(graph_of(lambda *xs: [*run(recipe, xs), *run(recipe, xs)], *avals))
    # Conditionals are compared by their branches, which are traced anew.
    if not any(node.subgraphs for node in once.nodes):
        assert len(twice.nodes) == len(once.nodes)


@given(cases())
def test_programs_agree_in_blocks(case: Any) -> None:
    recipe, inputs, state = case
    graph = optimize(traced(recipe, inputs, state))
    least, blocks.MIN_ELEMENTS = blocks.MIN_ELEMENTS, 0
    try:
        cut = blocks.block(graph, set(), 2)
    finally:
        blocks.MIN_ELEMENTS = least
    verify(cut, after="block")
    results = [evaluate(g, copies(state), copies(inputs)) for g in (cut, graph)]
    for ours, theirs in zip(*(outputs + new for outputs, new in results), strict=True):
        assert_same(ours, theirs, "block")
    assert_runs(NumpyBackend(poison=True, exact=True, threads=2), cut, state, inputs, calls=2)
