"""State of the NumPy backend's programs: written in place where that is right, read at the right moment."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from graphs import Variable, assert_runs, aval, branch, copies, graph_of, names

from kerasflow.compiler import compile_graph
from kerasflow.graph import evaluate
from kerasflow.passes import optimize
from kerasflow.testing.state import STEPS, A, Step, X, initial, step_graph
from kerasflow.tracing import apply
from kerasflow_numpy import NumpyBackend


@pytest.mark.parametrize("poison", [False, True], ids=["", "poison"])
@pytest.mark.parametrize("step", STEPS)
def test_steps(step: Step, poison: bool) -> None:
    graph = step_graph(step)
    for g in (graph, optimize(graph)):
        assert_runs(NumpyBackend(poison, exact=True), g, initial(), [X], calls=4)


@pytest.mark.parametrize("step", STEPS)
def test_state_that_does_not_change_is_not_touched(step: Step) -> None:
    graph = step_graph(step)
    program = NumpyBackend(True, exact=True).compile(graph)
    state = initial()
    for buffer, before, now in zip(state, graph.state_inputs, graph.state_outputs, strict=True):
        buffer.flags.writeable = before is not now
    kept = list(state)
    _, buffers = program(state, [X])
    for buffer, mine, before, now in zip(buffers, kept, graph.state_inputs, graph.state_outputs, strict=True):
        assert before is not now or buffer is mine
        assert buffer is mine, "without fused updates state stays in its buffers"


def source(function: Callable[..., Any], *avals: Any, variables: Any = ()) -> str:
    return NumpyBackend(exact=True).compile(graph_of(function, *avals, variables=variables)).source


def test_in_place_where_nobody_reads_the_old_state() -> None:
    a = Variable(A, "a")

    def step(x: Any) -> None:
        a.assign(a.value * np.float32(0.9) + x)

    program = NumpyBackend(exact=True).compile(graph_of(step, aval(2, 3), variables=[a]))
    assert "np.add(a, x0, out=a)" in program.source and "copyto" not in program.source

    def late(x: Any) -> Any:
        old = a.value
        a.assign(old + x)
        return np.exp(old)

    # The new state has to wait for a reader of the old one.
    program = NumpyBackend(exact=True).compile(graph_of(late, aval(2, 3), variables=[a]))
    assert "np.copyto(a, t0)" in program.source


# -- inputs -------------------------------------------------------------------------------------------------


def everything(x: Any) -> list[Any]:
    return [x, x, np.transpose(x), np.reshape(x, (x.size,)), x[::-1], x + 1, np.float32(5), np.ones(3)]


@pytest.mark.parametrize(
    "x",
    [
        A, A.T, A[:, ::2], A[::-1], np.asfortranarray(A), np.broadcast_to(A[0], (4, 3)),
        np.zeros((0, 3), np.float32), np.zeros((2, 0), np.float32), np.ones((1, 1), np.float32),
    ],
    ids=str,
)  # fmt: skip
def test_outputs_that_are_inputs_views_duplicates_and_constants(x: np.ndarray) -> None:
    assert_runs(NumpyBackend(True, exact=True), graph_of(everything, aval(*x.shape)), [], [x])
    frozen = x.copy(order="K")
    frozen.flags.writeable = False
    assert_runs(NumpyBackend(True, exact=True), graph_of(everything, aval(*x.shape)), [], [frozen])


def test_scalars() -> None:
    graph = graph_of(lambda x, y: [x, x + y, np.reshape(x * y, (1, 1)), -x], aval(), aval())
    assert_runs(NumpyBackend(True, exact=True), graph, [], [np.array(2, np.float32), np.array(3, np.float32)])


@pytest.mark.parametrize(
    "x", [A.astype(np.float64), A.astype(np.int32), A[:, :2], A[None], np.float32(3)], ids=str
)
def test_inputs_of_another_type_are_refused(x: np.ndarray) -> None:
    program = NumpyBackend(exact=True).compile(graph_of(everything, aval(2, 3)))
    with pytest.raises(ValueError, match=r"compiled for an input float32\[2,3\], and was given"):
        program([], [x])
    assert len(program([], [A])[0]) == 8


def test_the_number_of_inputs_is_checked() -> None:
    program = NumpyBackend(exact=True).compile(graph_of(everything, aval(2, 3)))
    for inputs in ([], [A, A]):
        with pytest.raises(ValueError):
            program([], inputs)


def test_an_error_leaves_the_program_usable() -> None:
    graph = graph_of(lambda x, i: [apply("gather", x * 2, i)], aval(2, 3), aval(2, dtype=np.int64))
    program = NumpyBackend(True, exact=True).compile(graph)
    good, bad = np.array([1, 0]), np.array([1, 9])
    for _ in range(2):
        with pytest.raises(IndexError):
            program([], [A, bad])
        np.testing.assert_array_equal(program([], [A, good])[0][0], A[::-1] * 2)


def test_constant_operands_of_branches_are_arrays() -> None:
    s = aval()
    shaped_branch = branch(lambda x, c: [np.reshape(c, (1,)) * x], aval(3), s)
    graph = graph_of(
        lambda p, x: apply("switch", p, x, np.float32(2), branches=(shaped_branch, shaped_branch)),
        aval(dtype=bool),
        aval(3),
    )
    assert_runs(NumpyBackend(True, exact=True), graph, [], [np.array(True), A[0]])


def test_a_bound_that_dies_in_clip() -> None:
    import ml_dtypes

    x = A.astype(ml_dtypes.bfloat16)

    def step(x: Any) -> Any:
        high = x * np.ones((), x.dtype)
        kept = apply("clip", x, np.array(-1, x.dtype), high) * np.ones((), x.dtype)
        return [kept, apply("clip", x, x, kept + kept) + kept]

    assert_runs(NumpyBackend(True, exact=True), graph_of(step, aval(2, 3, dtype=x.dtype)), [], [x])


# -- memory -------------------------------------------------------------------------------------------------


def test_memory_is_reused() -> None:
    n, depth = 1000, 30

    def deep(x: Any, w: Any) -> Any:
        for _ in range(depth):
            x = np.tanh(np.matmul(x, w))
        return np.sum(x, axis=0)

    graph = graph_of(deep, aval(n, 8), aval(8, 8))
    program = NumpyBackend(exact=True).compile(graph)
    one = n * 8 * 4
    assert sum(v.aval.nbytes for node in graph.nodes for v in node.outputs) > 2 * depth * one
    assert program.workspace <= 3 * one
    assert_runs(
        NumpyBackend(True, exact=True), graph, [], [np.ones((n, 8), np.float32), np.eye(8, dtype=np.float32)]
    )


def test_views_need_no_memory() -> None:
    graph = graph_of(lambda x: np.sum(np.transpose(np.reshape(x, (8, 100)))[::2], axis=0), aval(800))
    assert NumpyBackend(exact=True).compile(graph).workspace == 0


# -- threads ------------------------------------------------------------------------------------------------


def test_several_threads_share_a_program() -> None:
    w = Variable(np.ones((64, 64), np.float32))

    def predict(x: Any) -> Any:
        for _ in range(5):
            x = np.tanh(x @ w.value + 1) * x
        return x, np.sum(x)

    graph, program = compile_graph(graph_of(predict, aval(32, 64), variables=[w]), NumpyBackend(exact=True))
    assert "tanh" in names(graph)
    rng = np.random.default_rng(0)
    state = [rng.normal(size=(64, 64)).astype(np.float32) / 8]
    xs = [rng.normal(size=(32, 64)).astype(np.float32) for _ in range(8)]
    expected = [copies(evaluate(graph, state, [x])[0]) for x in xs]
    wrong: list[str] = []
    barrier = threading.Barrier(len(xs))

    def work(i: int) -> None:
        barrier.wait()
        for _ in range(100):
            outputs, _ = program(state, [xs[i]])
            for ours, theirs in zip(outputs, expected[i], strict=True):
                if ours.tobytes() != theirs.tobytes():
                    wrong.append(f"thread {i}")
                    return

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(xs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
