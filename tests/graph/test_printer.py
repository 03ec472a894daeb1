"""Graphs as text."""

import numpy as np
from graphs import Variable, aval, branch, graph_of

from kerasflow.graph import format_graph
from kerasflow.tracing import apply, scope


def test_a_listing() -> None:
    weight = Variable(np.zeros((3, 2), np.float32), "dense/kernel")
    count = Variable(np.zeros((), np.int32), "count")

    def step(x: np.ndarray) -> np.ndarray:
        with scope("dense"):
            y = np.matmul(x, weight.value)
        count.assign(count.value + 1)
        return np.sum(y + np.ones(2, np.float32), axis=1).astype(np.float64)

    assert format_graph(graph_of(step, aval(4, 3), variables=[weight, count])).splitlines() == [
        "state v0:float32[3,2] dense/kernel",
        "state v1:int32[] count",
        "input v2:float32[4,3]",
        "v3:float32[4,2] = matmul(v2, v0)  # dense",
        "v4:int32[] = add(v1, 1)",
        "v5:float32[4,2] = add(v3, <constant float32[2]>)",
        "v6:float32[4] = sum(v5, axis=(1,), keepdims=False)",
        "v7:float64[4] = astype(v6, dtype=float64)",
        "return v7",
        "state v1 <- v4",
    ]


def test_branches_are_indented() -> None:
    inner = branch(lambda x: np.sin(x), aval(2))
    middle = branch(lambda x: apply("switch", x[0] > 0, x, branches=(inner, inner)), aval(2))
    graph = graph_of(lambda p, x: apply("switch", p, x, branches=(inner, middle)), aval(dtype=bool), aval(2))
    lines = format_graph(graph).splitlines()
    assert "v2:float32[2] = switch(v0, v1, branches=({graph}, {graph}))" in lines
    assert lines.count("    v1:float32[2] = sin(v0)") == 1
    assert lines.count("        v1:float32[2] = sin(v0)") == 2


def test_functions_among_the_parameters_have_their_names() -> None:
    def straight_through(g: object) -> list:
        return [g]

    graph = graph_of(lambda x: apply("custom_vjp", x, x, outputs=1, vjp=straight_through), aval(2))
    assert "custom_vjp(v0, v0, outputs=1, vjp=straight_through)" in format_graph(graph)
