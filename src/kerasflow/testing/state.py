"""What a backend must get right about state: contents old and new, buffers written in place, host code, threads.

`STEPS` are functions of two variables and an input, each with a trap for who
writes in place: the old contents are read late, or returned, or another
variable's new ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np

from kerasflow.compiler import compile_graph, current_backend, jit, use_backend
from kerasflow.compiler.compile import check_supported
from kerasflow.graph import Graph, ShapedArray, evaluate
from kerasflow.passes import optimize
from kerasflow.testing.agreement import assert_close
from kerasflow.testing.programs import Variable, assert_runs, copies, graph_of
from kerasflow.testing.spec import ALL, as_dtype
from kerasflow.tracing import apply

A = np.arange(6, dtype=np.float32).reshape(2, 3)
X = np.linspace(-1, 2, 6, dtype=np.float32).reshape(2, 3)
Step = Callable[[Any, Any, Any], Any]
_KIND = ShapedArray((2, 3), np.dtype(np.float32))


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
    yes = graph_of(lambda a, b, x: [a + x, b], _KIND, _KIND, _KIND)
    no = graph_of(lambda a, b, x: [b, a], _KIND, _KIND, _KIND)
    new_a, new_b = apply("switch", np.sum(x) + a.value[0, 0] > 3, a.value, b.value, x, branches=(no, yes))
    a.assign(new_a)
    b.assign(new_b)
    return new_a, np.transpose(new_b)


def a_number(a: Any, b: Any, x: Any) -> Any:
    total = np.sum(a.value)
    b.assign(b.value + total)
    return total, np.sum(x)


STEPS: list[Step] = [
    square, swap, rotate_with_arithmetic, from_input, the_same_to_both, a_constant, old_as_output,
    old_and_new_as_outputs, old_view_as_output, old_view_read_late, view_of_new, reversed_itself, reversed_sum,
    broadcast_row, reshaped_transpose, product_with_itself, assigned_twice, chain, cross, unchanged, only_read,
    masked, scattered, in_a_branch, a_number,
]  # fmt: skip


def step_graph(step: Step) -> Graph:
    """A step as a graph with the two variables as its state."""
    a, b = Variable(A, "a"), Variable(A[::-1] * 2, "b")
    return graph_of(partial(step, a, b), _KIND, variables=[a, b])


def initial() -> list[Any]:
    """The first contents of the two variables, new arrays."""
    return copies([A, A[::-1] * 2])


def _assert_step(step: Step, name: str) -> None:
    graph, backend = step_graph(step), current_backend(name)
    for g in (graph, optimize(graph)):
        check_supported(g, backend)
        assert_runs(backend, g, initial(), [X], partial(assert_close, resolutions=8, what=step.__name__))


def _assert_transfer(name: str) -> None:
    """Buffers are copies, and come back as they were: every dtype, no axes, no elements, other memory layouts."""
    backend = current_backend(name)
    for dtype in (*ALL, "complex64"):
        plain = np.arange(12).reshape(3, 4).astype(as_dtype(dtype))
        for array in (plain, plain.T, plain[::-2, 1:], plain[0, 3], plain[:0]):
            array = np.asarray(array)
            kept = np.array(array)
            buffer = backend.from_host(array)
            for _ in range(2):
                assert_close(
                    backend.to_host(buffer), kept, 0, f"{dtype}{list(kept.shape)} back from a buffer"
                )
                array[...] = 1  # A buffer that shares this memory changes with it.


def _assert_host_references(name: str) -> None:
    """What host code has read of a variable stays as it was, whatever programs do to the variable later."""
    variable = Variable(A, "a")
    step = jit(lambda x: variable.assign(variable.value * x))
    expected, held = np.array(A), []
    with use_backend(name):
        for _ in range(4):
            held.append((variable.cell.read(), expected))
            step(X)
            step(X)
            expected = expected * X * X
    held.append((variable.cell.read(), expected))
    for i, (ours, theirs) in enumerate(held):
        assert_close(ours, theirs, 16, f"what was read after {2 * i} steps")


def _assert_threads(name: str) -> None:
    """Several threads share a program; each gets its own results."""
    w = Variable(np.eye(16, dtype=np.float32))

    def predict(x: Any) -> Any:
        for _ in range(4):
            x = np.tanh(x @ w.value + 1) * x
        return x

    shape = ShapedArray((8, 16), np.dtype(np.float32))
    backend = current_backend(name)
    graph, program = compile_graph(graph_of(predict, shape, variables=[w]), backend)
    state = np.eye(16, dtype=np.float32)[::-1]
    buffers = [backend.from_host(state)]
    xs = [np.random.default_rng(i).normal(size=(8, 16)).astype(np.float32) for i in range(4)]
    expected = [copies(evaluate(graph, [state], [x])[0]) for x in xs]

    def work(i: int) -> None:
        for _ in range(25):
            outputs, _ = program(buffers, [xs[i]])
            assert_close(outputs[0], expected[i][0], 64, f"thread {i}")

    with ThreadPoolExecutor(len(xs)) as pool:
        list(pool.map(work, range(len(xs))))


def state_checks(name: str) -> Iterator[tuple[str, Callable[[], None]]]:
    """The checks of this file for a backend: what each is about, and the check."""
    yield "buffers are copies", partial(_assert_transfer, name)
    for step in STEPS:
        yield step.__name__.replace("_", " "), partial(_assert_step, step, name)
    yield "host references", partial(_assert_host_references, name)
    yield "threads", partial(_assert_threads, name)
