"""State in branches and loops: assignments, draws and tapes inside, as without a program."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from control_flow import XS, W, X, cell, leaves, scalar
from keras import ops

import kerasflow
from kerasflow.testing import check_grads


class Counting(keras.layers.Layer):
    """Its call counts and draws in branches and loops."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.count = self.add_weight(name="count", dtype="int32", initializer="zeros", trainable=False)
        self.total = self.add_weight(name="total", shape=(3,), initializer="zeros", trainable=False)
        self.scale = self.add_weight(name="scale", initializer="ones")
        self.seed = keras.random.SeedGenerator(7)

    def step(self, x: Any) -> Any:
        self.count.assign_add(1)
        self.total.assign(self.total * 0.5 + ops.mean(x, axis=0))
        noise = keras.random.normal(ops.shape(x), seed=self.seed)
        return x * self.scale + noise * ops.cast(self.count, "float32") + self.total

    def call(self, x: Any) -> Any:
        if self.kind == "cond":
            return ops.cond(ops.sum(x) > 0, lambda: self.step(x), lambda: x)
        if self.kind == "switch":
            return ops.switch(ops.cast(ops.sum(x) > 0, "int32"), [lambda y: y * self.scale, self.step], x)
        if self.kind == "scan":
            return ops.scan(lambda c, _: (self.step(c), c), x, length=3)[0]
        if self.kind == "while":
            # The condition reads what the body assigns.
            begin = self.count + 0
            return ops.while_loop(lambda c: self.count < begin + 3, self.step, x)
        if self.kind == "fori":
            return ops.fori_loop(0, 3, lambda i, c: self.step(c), x)
        if self.kind == "map":
            return ops.map(lambda c: self.step(c[None])[0], x)
        if self.kind == "vectorized map":
            return ops.vectorized_map(lambda c: self.step(c[None])[0], x)

        def nested(c: Any, _: Any) -> Any:
            return ops.cond(
                self.count % 2 == 0, lambda: self.step(c), lambda: ops.scan(inner, c, length=2)[0]
            ), c

        def inner(c: Any, _: Any) -> Any:
            return self.step(c), None

        return ops.scan(nested, x, length=3)[0]


KINDS = ["cond", "switch", "scan", "while", "fori", "map", "vectorized map", "nested"]
DATA = np.random.default_rng(0).uniform(0.1, 1, (8, 4, 3)).astype("float32")


@pytest.mark.parametrize("kind", KINDS)
def test_state_in_branches_and_loops(kind: str) -> None:
    results = []
    for run in (lambda f: f, kerasflow.jit):
        layer = Counting(kind)
        call = run(lambda x, layer=layer: layer(x))
        outputs = [np.asarray(call(x)) for x in (DATA[0], -DATA[1], DATA[2])]
        results.append([*outputs, *(v.numpy() for v in (layer.count, layer.total, layer.seed.state))])
    for x, y in zip(*results, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-6, atol=1e-6)
    assert results[0][3] == {"cond": 2, "switch": 2, "map": 12, "vectorized map": 12, "nested": 17}.get(
        kind, 9
    )


@pytest.mark.parametrize("kind", KINDS)
def test_state_without_state(kind: str) -> None:
    """In a `keras.StatelessScope`, and in `stateless_call`."""
    layer = Counting(kind)
    expected = np.asarray(layer(DATA[0]))
    state = [v.numpy() for v in layer.non_trainable_variables]

    def call(x: Any) -> Any:
        return again.stateless_call(again.trainable_variables, again.non_trainable_variables, x)

    again = Counting(kind)
    again.build(DATA[0].shape)
    before = [v.numpy() for v in again.variables]
    for run in (call, kerasflow.jit(call)):
        y, new = run(DATA[0])
        np.testing.assert_allclose(y, expected, rtol=1e-6)
        for x, wanted in zip(new, state, strict=True):
            np.testing.assert_allclose(x, wanted, rtol=1e-6)
    for v, value in zip(again.variables, before, strict=True):
        np.testing.assert_array_equal(v.numpy(), value)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("eagerly", [False, True], ids=["compiled", "eagerly"])
def test_training_with_state_in_loops(kind: str, eagerly: bool) -> None:
    keras.utils.set_random_seed(1)
    layer = Counting(kind)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3), layer, keras.layers.Dense(1)])
    for i, v in enumerate(model.trainable_variables):
        v.assign(np.random.default_rng(i).normal(size=v.shape))
    model.compile(keras.optimizers.SGD(0.01), "mse", run_eagerly=eagerly)
    model.fit(
        DATA.reshape(-1, 3), DATA.reshape(-1, 3)[:, :1], batch_size=16, epochs=2, shuffle=False, verbose=0
    )
    found = [v.numpy() for v in model.variables if "seed" not in v.path]
    key = kind, len(found)
    expected = TRAINED.setdefault(key, found)
    for x, y in zip(found, expected, strict=True):
        np.testing.assert_allclose(x, y, rtol=2e-5, atol=1e-6)


TRAINED: dict[Any, Any] = {}


def test_no_gradient_flows_through_an_assignment() -> None:
    """What a step assigns is another number to the next one: with values, recorded and as a program."""
    v = keras.Variable(2.0, name="v")

    def loss(x: Any) -> Any:
        def step(c: Any, y: Any) -> Any:
            c = c + v * y
            v.assign(v * 3 + y)
            return c, None

        c, _ = ops.scan(step, 0.0 * x[0], x)
        return c + v * 5

    def gradient(x: Any) -> Any:
        with kerasflow.GradientTape() as tape:
            x = tape.watch(x)
            y = loss(x)
        return tape.gradient(y, x)

    x = np.array([1.0, 2.0, 3.0], np.float32)
    found = []
    for function in (gradient, kerasflow.jit(gradient)):
        v.assign(2.0)
        found.append(np.asarray(function(x)))
    np.testing.assert_allclose(found[0], [2, 7, 23])
    np.testing.assert_allclose(found[1], found[0])


def test_a_variable_that_a_loop_reads_has_a_gradient() -> None:
    v = keras.Variable(W, name="v", dtype="float64")

    def gradient(x: Any) -> Any:
        with kerasflow.GradientTape() as tape:
            y = ops.sum(ops.scan(cell(v), x[0], x)[0])
        return tape.gradient(y, v)

    expected = kerasflow.grad(lambda w: ops.sum(ops.scan(cell(w), XS[0], XS)[0]))(W)
    for function in (gradient, kerasflow.jit(gradient)):
        np.testing.assert_allclose(function(XS), expected, rtol=1e-10)


def test_an_outer_tracer_can_be_assigned_inside() -> None:
    v = keras.Variable(np.zeros(3), dtype="float64")

    def step(x: Any) -> Any:
        def assign() -> Any:
            v.assign(x[1])
            return x[0]

        return ops.cond(x[0, 0] > 0, assign, lambda: x[2]), ops.fori_loop(
            0, 2, lambda i, c: (assign(), c)[1], x[0]
        )

    kerasflow.jit(step)(np.abs(X))
    np.testing.assert_array_equal(v.numpy(), np.abs(X)[1])


def test_a_tape_in_a_loop() -> None:
    def descend(x: Any, w: Any) -> Any:
        def step(x: Any, _: Any) -> Any:
            with kerasflow.GradientTape() as tape:
                x = tape.watch(x)
                y = ops.sum(ops.sin(x @ w) ** 2)
            return x - 0.1 * tape.gradient(y, x), y

        return ops.scan(step, x, length=4)

    expected = descend(X, W)
    for x, y in zip(leaves(kerasflow.jit(descend)(X, W)), leaves(expected), strict=True):
        np.testing.assert_allclose(x, y)
    check_grads(scalar(descend), (X, W), 1, tolerance=1e-5)
    gradient = kerasflow.grad(scalar(descend), (0, 1))
    for x, y in zip(kerasflow.jit(gradient)(X, W), gradient(X, W), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-9, atol=1e-12)
