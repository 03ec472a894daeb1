"""State of the NumPy backend's programs: written in place where that is right, read at the right moment."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from graphs import Variable, assert_runs, aval, branch, copies, graph_of, names

from kerasflow.compiler import compile_graph
from kerasflow.graph import Graph, evaluate
from kerasflow.passes import optimize
from kerasflow.tracing import apply
from kerasflow_numpy import NumpyBackend

A = np.arange(6, dtype=np.float32).reshape(2, 3)
X = np.linspace(-1, 2, 6, dtype=np.float32).reshape(2, 3)
Step = Callable[[Any, Any, Any], Any]


def square(a: Any, b: Any, x: Any) -> Any:
    return np.reshape(a.value, (3, 2))


def swap(a: Any, b: Any, x: Any) -> Any:
    first = a.value
    a.assign(b.value)
    b.assign(first)


def rotate_with_arithmetic(a: Any, b: Any, x: Any) -> Any:
    first, second = a.value, b.value
    a.assign(second + x)
    b.assign(first * second)
    return first - second


def from_input(a: Any, b: Any, x: Any) -> Any:
    a.assign(x)
    return a.value + b.value


def the_same_to_both(a: Any, b: Any, x: Any) -> Any:
    both = a.value + x
    a.assign(both)
    b.assign(both)
    return both


def a_constant(a: Any, b: Any, x: Any) -> Any:
    a.assign(np.full((2, 3), 7, np.float32))


def old_as_output(a: Any, b: Any, x: Any) -> Any:
    old = a.value
    a.assign(old + x)
    return old


def old_and_new_as_outputs(a: Any, b: Any, x: Any) -> Any:
    old = a.value
    a.assign(old + x)
    b.assign(old)
    return old, a.value, old, b.value


def old_view_as_output(a: Any, b: Any, x: Any) -> Any:
    old = a.value
    view = np.transpose(old)
    a.assign(x * old + x)
    return view, np.reshape(view, (6,))


def old_view_read_late(a: Any, b: Any, x: Any) -> Any:
    view = np.transpose(a.value)
    a.assign(a.value * x)
    b.assign(b.value - x)
    return np.matmul(a.value, view) @ b.value


def view_of_new(a: Any, b: Any, x: Any) -> Any:
    a.assign(a.value * x)
    return np.transpose(a.value), np.transpose(a.value) * 2


def reversed_itself(a: Any, b: Any, x: Any) -> Any:
    a.assign(a.value[::-1, ::-1])


def reversed_sum(a: Any, b: Any, x: Any) -> Any:
    a.assign(a.value + a.value[::-1])


def broadcast_row(a: Any, b: Any, x: Any) -> Any:
    a.assign(a.value + a.value[:1])


def reshaped_transpose(a: Any, b: Any, x: Any) -> Any:
    a.assign(np.reshape(np.transpose(a.value), (2, 3)) + a.value)


def product_with_itself(a: Any, b: Any, x: Any) -> Any:
    a.assign(np.matmul(np.matmul(a.value, np.transpose(a.value)), a.value))


def assigned_twice(a: Any, b: Any, x: Any) -> Any:
    a.assign(a.value + x)
    middle = a.value
    a.assign(middle * x)
    return middle


def chain(a: Any, b: Any, x: Any) -> Any:
    a.assign(a.value + 1)
    b.assign(b.value + a.value)
    a.assign(a.value - b.value)
    return a.value * b.value


def cross(a: Any, b: Any, x: Any) -> Any:
    old = a.value
    a.assign(np.sin(b.value))
    b.assign(np.cos(old))
    return np.sum(old, axis=0)


def unchanged(a: Any, b: Any, x: Any) -> Any:
    a.assign(a.value)
    return a.value * x


def only_read(a: Any, b: Any, x: Any) -> Any:
    return a.value, np.transpose(b.value), a.value


def masked(a: Any, b: Any, x: Any) -> Any:
    a.assign(np.where(x > 0, a.value, b.value))
    b.assign(np.where(x > 0, b.value, a.value))


def scattered(a: Any, b: Any, x: Any) -> Any:
    a.assign(apply("scatter", a.value, x[:1], np.array([1]), mode="add"))
    b.assign(apply("setitem", b.value, x[:, :1], index=((0, 2, 1), (1, 2, 1))))


def in_a_branch(a: Any, b: Any, x: Any) -> Any:
    s = aval(2, 3)
    yes = branch(lambda a, b, x: [a + x, b], s, s, s)
    no = branch(lambda a, b, x: [b, a], s, s, s)
    new_a, new_b = apply("switch", np.sum(x) + a.value[0, 0] > 3, a.value, b.value, x, branches=(no, yes))
    a.assign(new_a)
    b.assign(new_b)
    return new_a, np.transpose(new_b)


STEPS = [
    square, swap, rotate_with_arithmetic, from_input, the_same_to_both, a_constant, old_as_output,
    old_and_new_as_outputs, old_view_as_output, old_view_read_late, view_of_new, reversed_itself, reversed_sum,
    broadcast_row, reshaped_transpose, product_with_itself, assigned_twice, chain, cross, unchanged, only_read,
    masked, scattered, in_a_branch,
]  # fmt: skip


def step_graph(step: Step) -> Graph:
    a, b = Variable(A, "a"), Variable(A[::-1] * 2, "b")
    return graph_of(lambda x: step(a, b, x), aval(2, 3), variables=[a, b])


@pytest.mark.parametrize("poison", [False, True], ids=["", "poison"])
@pytest.mark.parametrize("step", STEPS)
def test_steps(step: Step, poison: bool) -> None:
    graph = step_graph(step)
    for g in (graph, optimize(graph)):
        assert_runs(NumpyBackend(poison, exact=True), g, [A, A[::-1] * 2], [X], calls=4)


@pytest.mark.parametrize("step", STEPS)
def test_state_that_does_not_change_is_not_touched(step: Step) -> None:
    graph = step_graph(step)
    program = NumpyBackend(True, exact=True).compile(graph)
    state = copies([A, A[::-1] * 2])
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
    assert len(program.contexts) <= len(xs)
