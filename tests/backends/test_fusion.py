"""Updates of many variables that run as one: which are grouped, which must not be, and that the bits are the same."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from graphs import Variable, assert_runs, assert_same, aval, copies, graph_of

from kerasflow.compiler import jit
from kerasflow.graph import Graph, evaluate
from kerasflow.passes import optimize
from kerasflow.testing import assert_close
from kerasflow.tracing import apply, current_trace
from kerasflow_numpy import NumpyBackend
from kerasflow_numpy.plan.fusion import MIN_ELEMENTS

SHAPES = ((30, 40), (7,), (3, 5, 2), (1, 9), (1000,))


class Model:
    """Weights of several shapes, with slots for an optimizer; gradients are computed from inputs."""

    def __init__(self, shapes: Any = SHAPES, slots: int = 0, dtypes: Any = (), seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.shapes = shapes
        dtypes = dtypes or [np.float32] * len(shapes)

        def new(name: str) -> list[Variable]:
            return [
                Variable(rng.uniform(0.1, 1, shape).astype(dtype), f"{name}{i}")
                for i, (shape, dtype) in enumerate(zip(shapes, dtypes, strict=True))
            ]

        self.weights = new("w")
        self.slots = [new(f"slot{k}_") for k in range(slots)]
        self.step = Variable(np.zeros((), np.int64), "step")
        self.rate = Variable(np.float32(0.01), "rate")
        self.inputs = [
            rng.normal(size=shape).astype(dtype) for shape, dtype in zip(shapes, dtypes, strict=True)
        ]
        self.variables = [*self.weights, *(v for slot in self.slots for v in slot), self.step, self.rate]

    @property
    def state(self) -> list[np.ndarray]:
        return [v.cell.read() for v in self.variables]

    def gradients(self, xs: Any) -> list[Any]:
        """Something that is not element by element."""
        return [np.cumsum(x, axis=0) for x in xs]

    def graph(self, update: Callable[..., Any]) -> Graph:
        def function(*xs: Any) -> Any:
            return update(self, xs)

        avals = [aval(*x.shape, dtype=x.dtype) for x in self.inputs]
        return optimize(graph_of(function, *avals, variables=self.variables))


def loops(source: str) -> list[int]:
    """How many variables each fused loop updates."""
    return [
        len(re.findall(r"\w+\[[\d,]*\]", line)) for line in source.splitlines() if line.startswith("    for ")
    ]


def assert_near(ours: Any, theirs: Any) -> None:
    """What regrouped sums may do."""
    assert_close(ours, theirs, 16)


def check(model: Model, update: Callable[..., Any], expected: list[int] | None = None) -> str:
    """Run an update with and without poison, to the bit and regrouped; the loops must be of so many variables."""
    graph = model.graph(update)
    for poison in (True, False):
        assert_runs(NumpyBackend(poison), graph, model.state, model.inputs, calls=4, compare=assert_near)
        exact = NumpyBackend(poison, exact=True)
        program = assert_runs(exact, graph, model.state, model.inputs, calls=4)
    if expected is not None:
        assert loops(program.source) == expected, program.source
    return str(program.source)


# -- updates that are fused ---------------------------------------------------------------------------------


def sgd(m: Model, xs: Any) -> None:
    for w, g in zip(m.weights, m.gradients(xs), strict=True):
        w.assign(w.value - m.rate.value * g)


def momentum(m: Model, xs: Any) -> None:
    for w, v, g in zip(m.weights, m.slots[0], m.gradients(xs), strict=True):
        v.assign(v.value * np.float32(0.9) - g * m.rate.value)
        w.assign(w.value + v.value)


def nesterov(m: Model, xs: Any) -> None:
    for w, v, g in zip(m.weights, m.slots[0], m.gradients(xs), strict=True):
        new = v.value * np.float32(0.9) - g * m.rate.value
        v.assign(new)
        w.assign(w.value + new * np.float32(0.9) - g * m.rate.value)


def adam(m: Model, xs: Any) -> None:
    m.step.assign(m.step.value + 1)
    t = m.step.value.astype(np.float32)
    rate = m.rate.value * np.sqrt(1 - np.float32(0.999) ** t) / (1 - np.float32(0.9) ** t)
    for w, first, second, g in zip(m.weights, *m.slots[:2], m.gradients(xs), strict=True):
        first.assign(first.value + (g - first.value) * np.float32(0.1))
        second.assign(second.value + (g * g - second.value) * np.float32(0.001))
        w.assign(w.value - rate * first.value / (np.sqrt(second.value) + np.float32(1e-7)))


def weight_decay(m: Model, xs: Any) -> None:
    for w in m.weights:
        w.assign(w.value - w.value * m.rate.value)
    for w, g in zip(m.weights, m.gradients(xs), strict=True):
        w.assign(w.value - m.rate.value * g)


def moving_average(m: Model, xs: Any) -> None:
    momentum(m, xs)
    for average, w in zip(m.slots[1], m.weights, strict=True):
        average.assign(average.value * np.float32(0.99) + w.value * np.float32(0.01))


def clipped_by_global_norm(m: Model, xs: Any) -> Any:
    gs = m.gradients(xs)
    norm = np.sqrt(sum(np.sum(g * g) for g in gs))
    for w, g in zip(m.weights, gs, strict=True):
        w.assign(w.value - m.rate.value * (g / np.maximum(norm, np.float32(1))))
    return norm


def clipped_by_value(m: Model, xs: Any) -> None:
    for w, v, g in zip(m.weights, m.slots[0], m.gradients(xs), strict=True):
        c = apply("clip", g, np.float32(-0.5), np.float32(0.5))
        v.assign(np.maximum(v.value, np.abs(c)))
        w.assign(np.where(c > 0, w.value - c, w.value))


def signs(m: Model, xs: Any) -> None:
    for w, v, g in zip(m.weights, m.slots[0], m.gradients(xs), strict=True):
        w.assign(w.value - m.rate.value * np.sign(v.value * np.float32(0.9) + g * np.float32(0.1)))
        v.assign(v.value * np.float32(0.99) + g * np.float32(0.01))


def swapped(m: Model, xs: Any) -> None:
    for w, v, g in zip(m.weights, m.slots[0], m.gradients(xs), strict=True):
        old = w.value
        w.assign(v.value * g)
        v.assign(old + g)


@pytest.mark.parametrize(
    "update",
    [sgd, momentum, nesterov, adam, weight_decay, moving_average, clipped_by_global_norm, clipped_by_value,
     signs],
)  # fmt: skip
def test_one_loop_for_all_variables(update: Callable[..., Any]) -> None:
    check(Model(slots=2), update, [len(SHAPES)])


def test_the_source_has_one_call_for_all() -> None:
    source = check(Model(slots=2), adam, [5])
    assert source.count("np.sqrt(") == 2, "one for the rate, one for the second moments"
    unfused = check(Model(slots=2), forbid(adam))
    assert unfused.count("np.sqrt(") == 1 + len(SHAPES)


def forbid(update: Callable[..., Any]) -> Callable[..., Any]:
    """The same update, with every old weight read at the end."""

    def function(m: Model, xs: Any) -> Any:
        old = [w.value for w in m.weights]
        slots = [v.value for slot in m.slots for v in slot]
        update(m, xs)
        return [np.sum(x) for x in old + slots]

    return function


def test_scalars_of_any_rank() -> None:
    def update(m: Model, xs: Any) -> None:
        for w, g in zip(m.weights, m.gradients(xs), strict=True):
            w.assign(w.value - g * np.reshape(m.rate.value, (1,)) * np.sum(xs[0], keepdims=True)[0])

    check(Model(), update, [len(SHAPES)])


def test_one_large_variable_is_a_loop_and_one_small_one_is_not() -> None:
    check(Model(shapes=((MIN_ELEMENTS,),)), sgd, [1])
    check(Model(shapes=((MIN_ELEMENTS - 1,),)), sgd, [])


@pytest.mark.parametrize(
    "sizes",
    [(99, 1, 2), (100, 2), (101, 3), (200, 2), (50, 51), (99, 101), (3, 0, 2), (0, 0), (1000, 7)],
    ids=str,
)
def test_chunk_boundaries(sizes: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kerasflow_numpy.emit.updates.CHUNK", 100)
    check(Model(shapes=tuple((n,) for n in sizes), slots=2), adam, [sum(n != 1 for n in sizes)])


def test_a_large_variable_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kerasflow_numpy.emit.updates.CHUNK", MIN_ELEMENTS - 3)
    check(Model(shapes=((2 * MIN_ELEMENTS + 1,), (40, 50)), slots=2), adam, [2])


# -- updates that are not -----------------------------------------------------------------------------------


def test_other_formulas_are_other_groups() -> None:
    def constants(m: Model, xs: Any) -> None:
        for i, (w, g) in enumerate(zip(m.weights, m.gradients(xs), strict=True)):
            w.assign(w.value - g * np.float32(0.1 if i < 2 else 0.2))

    def operations(m: Model, xs: Any) -> None:
        for i, (w, g) in enumerate(zip(m.weights, m.gradients(xs), strict=True)):
            w.assign(w.value - np.float32(0.5) * g if i < 2 else w.value + np.float32(0.5) * g)

    def order(m: Model, xs: Any) -> None:
        for i, (w, g) in enumerate(zip(m.weights, m.gradients(xs), strict=True)):
            w.assign(w.value / g if i < 2 else g / w.value)

    def scalars(m: Model, xs: Any) -> None:
        for i, (w, g) in enumerate(zip(m.weights, m.gradients(xs), strict=True)):
            w.assign(w.value - g * (m.rate.value if i < 2 else np.sin(m.rate.value)))

    for update in (constants, operations, order, scalars):
        assert sorted(loops(check(Model(), update))) == [2, 3]


def test_other_dtypes_are_other_groups() -> None:
    def update(m: Model, xs: Any) -> None:
        for w, g in zip(m.weights, m.gradients(xs), strict=True):
            w.assign(w.value - g * np.asarray(0.5, w.value.dtype))

    dtypes = (np.float32, np.float64, np.float32, np.float64, np.float16)
    assert sorted(loops(check(Model(dtypes=dtypes), update))) == [2, 2]


def test_new_state_that_needs_only_other_state() -> None:
    check(Model(slots=1), swapped, [])


def test_a_leaf_that_depends_on_another_members_new_value() -> None:
    def update(m: Model, xs: Any) -> None:
        scale = m.rate.value
        for w, g in zip(m.weights, m.gradients(xs), strict=True):
            w.assign(w.value - g * np.cumsum(np.broadcast_to(scale, g.shape), axis=0))
            scale = np.sum(w.value)

    check(Model(), update, [])


def test_a_scalar_that_depends_on_a_new_value() -> None:
    def update(m: Model, xs: Any) -> None:
        for w, v, g in zip(m.weights, m.slots[0], m.gradients(xs), strict=True):
            w.assign(w.value - g)
            v.assign(v.value * np.sum(m.weights[0].value))

    check(Model(slots=1), update)


def test_old_state_that_is_read_later() -> None:
    assert loops(check(Model(slots=2), forbid(momentum))) == []

    def views(m: Model, xs: Any) -> Any:
        old = [np.transpose(w.value) for w in m.weights]
        sgd(m, xs)
        return [np.cumsum(np.reshape(x, (x.size,)), axis=0) for x in old]

    check(Model(), views, [])

    def as_outputs(m: Model, xs: Any) -> Any:
        old = [np.transpose(m.weights[0].value), m.weights[1].value]
        sgd(m, xs)
        return old

    check(Model(), as_outputs)


def test_old_state_that_is_read_before() -> None:
    def update(m: Model, xs: Any) -> Any:
        norms = [np.sum(w.value) for w in m.weights]
        sgd(m, xs)
        return norms

    check(Model(), update, [len(SHAPES)])


def test_old_state_that_another_group_reads() -> None:
    def update(m: Model, xs: Any) -> Any:
        old = [w.value for w in m.weights]
        gs = m.gradients(xs)
        sgd(m, xs)
        total = sum(np.sum(w.value) for w in m.weights)
        for v, w, g in zip(m.slots[0], old, gs, strict=True):
            v.assign(v.value * total + np.cumsum(w, axis=0) * g)

    check(Model(slots=1), update)


def test_groups_that_need_each_other() -> None:
    def update(m: Model, xs: Any) -> None:
        momentum(m, xs)
        for v, w in zip(m.slots[1], m.weights, strict=True):
            v.assign(v.value * np.float32(0.5) + np.cumsum(w.value, axis=0))
        for u, v, w in zip(m.slots[2], m.slots[1], m.weights, strict=True):
            u.assign(u.value + np.cumsum(v.value * np.float32(0.5), axis=0) - w.value)

    check(Model(slots=3), update)


def test_a_gradient_that_two_groups_share() -> None:
    def update(m: Model, xs: Any) -> None:
        gs = m.gradients(xs)
        for w, v, g in zip(m.weights, m.slots[0], gs, strict=True):
            w.assign(w.value - g * m.rate.value)
            v.assign(np.maximum(v.value, g))

    check(Model(slots=1), update)


def test_a_gradient_that_two_members_share() -> None:
    def update(m: Model, xs: Any) -> None:
        g = np.cumsum(xs[0], axis=0)
        for w in m.weights:
            w.assign(w.value - g * m.rate.value)

    check(Model(shapes=((4, 5),) * 3), update)


def test_inputs_are_not_moved_together() -> None:
    def update(m: Model, xs: Any) -> None:
        for w, x in zip(m.weights, xs, strict=True):
            w.assign(w.value - x * m.rate.value)

    check(Model(), update)
    check(Model(shapes=((MIN_ELEMENTS * 2,), (5,))), update)


def test_state_that_is_only_read() -> None:
    def update(m: Model, xs: Any) -> None:
        for w, mask, g in zip(m.weights, m.slots[0], m.gradients(xs), strict=True):
            w.assign(w.value - g * mask.value)

    check(Model(slots=1), update)


def test_new_values_that_are_used_again() -> None:
    def update(m: Model, xs: Any) -> Any:
        adam(m, xs)
        return [m.weights[0].value, np.transpose(m.weights[1].value), np.sum(m.slots[1][2].value)]

    check(Model(slots=2), update)


def test_constrained_weights() -> None:
    def update(m: Model, xs: Any) -> None:
        sgd(m, xs)
        for w in m.weights:
            w.assign(w.value / (np.sqrt(np.sum(w.value * w.value)) + np.float32(1e-7)))

    check(Model(), update)


def test_values_assigned_to_two_states() -> None:
    def update(m: Model, xs: Any) -> None:
        for w, v, g in zip(m.weights, m.slots[0], m.gradients(xs), strict=True):
            w.assign(w.value - g)
            v.assign(w.value)

    check(Model(slots=1), update)


# -- buffers ------------------------------------------------------------------------------------------------


def test_a_buffer_replaced_between_calls() -> None:
    model = Model(slots=2)
    graph = model.graph(adam)
    backend = NumpyBackend(exact=True)
    program = backend.compile(graph)
    expected: Any = copies(model.state)
    buffers: Any = [backend.from_host(x) for x in expected]
    held: list[tuple[np.ndarray, bytes]] = []
    for call in range(8):
        if call % 2:  # As after `get_weights`, or an assignment by the user: one buffer is another array now.
            i = call % len(model.weights)
            held.append((buffers[i], buffers[i].tobytes()))
            buffers = list(buffers)
            buffers[i] = backend.from_host(buffers[i] + np.float32(call == 5))
            expected[i] = np.array(buffers[i])
        _, buffers = program(buffers, model.inputs)
        _, expected = evaluate(graph, expected, model.inputs)
        for ours, theirs in zip(buffers, expected, strict=True):
            assert_same(ours, theirs)
        expected = copies(expected)
    assert all(array.tobytes() == before for array, before in held)


def test_two_programs_take_turns_with_the_same_state() -> None:
    model = Model(slots=2)
    backend = NumpyBackend(poison=True, exact=True)

    def larger(m: Model, xs: Any) -> Any:
        adam(m, [x * 2 for x in xs])

    def reader(m: Model, xs: Any) -> Any:
        return [np.sum(w.value * x) for w, x in zip(m.weights, xs, strict=True)]

    # The last one's groups are others: its arenas hold the same weights in another order.
    graphs = [model.graph(update) for update in (adam, larger, reader, momentum)]
    programs = [backend.compile(graph) for graph in graphs]
    expected: Any = copies(model.state)
    buffers: Any = [backend.from_host(x) for x in expected]
    for i in (0, 1, 0, 2, 1, 3, 0, 2, 3, 1, 1, 0):
        outputs, buffers = programs[i](buffers, model.inputs)
        theirs, expected = evaluate(graphs[i], expected, model.inputs)
        for a, b in zip([*outputs, *buffers], [*theirs, *expected], strict=True):
            assert_same(a, b)
        expected = copies(expected)


def test_moved_buffers_are_not_moved_again() -> None:
    model = Model(slots=2)
    programs = [NumpyBackend().compile(model.graph(adam)) for _ in range(2)]
    _, first = programs[0](copies(model.state), model.inputs)
    for program in (*programs, *programs):
        _, again = program(first, model.inputs)
        assert all(a is b for a, b in zip(first, again, strict=True))


def test_what_the_user_holds_stays_as_it_is() -> None:
    weights = [Variable(np.ones(shape, np.float32), f"w{i}") for i, shape in enumerate(SHAPES)]

    @jit
    def train(*xs: Any) -> None:
        for w, x in zip(weights, xs, strict=True):
            trace = current_trace()
            trace.write(w.cell, trace.read(w.cell) - np.cumsum(x, axis=0))

    xs = [np.ones(shape, np.float32) for shape in SHAPES]
    train(*xs)
    held = [w.cell.read() for w in weights]
    before = [x.tobytes() for x in held]
    for _ in range(3):
        train(*xs)
    assert [x.tobytes() for x in held] == before
    np.testing.assert_array_equal(weights[1].cell.read(), 1 - 4 * np.arange(1, 8, dtype=np.float32))
