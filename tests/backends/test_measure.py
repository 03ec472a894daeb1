"""Programs with a clock: they compute what they compute without, and account for their time and their memory."""

import time

import keras
import numpy as np
import pytest
from graphs import Graph, aval, copies, graph_of

from kerasflow.bridge.step import traced
from kerasflow.passes import optimize
from kerasflow_numpy import NumpyBackend
from kerasflow_numpy.plan import blocks

L = keras.layers


def networks():
    """Between them: products in parts, a fused update on several threads, blocks, loops, branches, random bits."""
    rng = np.random.default_rng(0)
    images, words = rng.normal(size=(12, 12, 12, 1)).astype("float32"), rng.integers(0, 9, (8, 5))
    return {
        "dense": ([L.Dense(300, "relu"), L.Dropout(0.5), L.Dense(3)], rng.normal(size=(256, 300))),
        "convolution": (
            [L.Conv2D(8, 3), L.BatchNormalization(), L.MaxPool2D(), L.Flatten(), L.Dense(3)],
            images,
        ),
        "lstm": ([L.Embedding(9, 4), L.LSTM(6), L.Dense(3)], words),
    }


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("network", networks())
def test_it_computes_the_same(network, threads, monkeypatch):
    monkeypatch.setattr(blocks, "MIN_ELEMENTS", 0)
    keras.utils.set_random_seed(0)
    layers, x = networks()[network]
    model = keras.Sequential(layers)
    model.compile("adam", "mse", metrics=["mae"])
    entry, inputs = traced(model, x, np.zeros((len(x), 3)), "train")
    program = NumpyBackend(threads=threads).compile(entry.graph)
    assert threads == 1 or "parallel." in program.source or network == "lstm"
    plain, clocked = (copies([cell.read() for cell in entry.cells]) for _ in range(2))
    measured = program.measured()
    for _ in range(2):
        outputs, plain = program(plain, inputs)
        start = time.perf_counter()
        found, clocked, lines = measured(clocked, inputs)
        taken = time.perf_counter() - start
        for ours, theirs in zip([*found, *clocked], [*outputs, *plain], strict=True):
            assert np.asarray(ours).tobytes() == np.asarray(theirs).tobytes()
        assert all(line.seconds >= 0 for line in lines)
        assert 0 < sum(line.seconds for line in lines) <= taken
        assert all(line.line in program.source for line in lines)
        # Whatever ran is there, each line once.
        text = [line.strip() for line in program.source.splitlines()]
        assert all(text.count(line.line) >= lines.count(line) for line in lines)
        assert 0 < max(line.held for line in lines) <= sum(line.allocated for line in lines)
        assert {line.scope for line in lines} >= {
            f"grad {layer.path}" for layer in model.layers if layer.weights
        }


def test_lines_of_threads_share_the_time_of_the_call_that_waits():
    weights = 1 << 18
    model = keras.Sequential([keras.Input((weights,)), L.Dense(1)])
    model.compile(keras.optimizers.Adam(name="adam"), "mse")
    entry, inputs = traced(model, np.ones((1, weights)), np.ones((1, 1)), "train")
    program = NumpyBackend(threads=2).compile(entry.graph)
    assert "parallel.each(update" in program.source
    start = time.perf_counter()
    _, _, lines = program.measured()([np.array(cell.read()) for cell in entry.cells], inputs)
    taken = time.perf_counter() - start
    update = [line for line in lines if line.scope == "adam" and line.calls == 2]
    assert any("blas.axpby" in line.line for line in update)
    assert 0 < sum(line.seconds for line in update) < taken
    assert not any(line.line.startswith("parallel.each") for line in lines)


def measure(graph: Graph, *inputs):
    return NumpyBackend().compile(optimize(graph)).measured()([], list(inputs))[2]


def test_memory_of_lines():
    def function(x):
        y = np.exp(x)  # 8,000 bytes until the second product
        z = y @ np.ones((1000, 10))  # 80 bytes
        return z @ np.ones((10, 500))  # 4,000 bytes, handed out

    first, second, empty, third, end = measure(
        graph_of(function, aval(1, 1000, dtype=np.float64)), np.ones((1, 1000))
    )
    assert [line.allocated for line in (first, second, empty, third, end)] == [8000, 80, 4000, 0, 0]
    assert [line.held for line in (first, second, empty, third, end)] == [8000, 8080, 4080, 4080, 4000]


def test_lines_of_loops_count_their_rounds_and_branches_that_are_not_taken_none():
    def function(x, flag):
        total = keras.ops.fori_loop(0, 7, lambda i, y: np.tanh(y), x)
        return keras.ops.cond(flag, lambda: np.exp(total), lambda: np.cos(total))

    lines = measure(graph_of(function, aval(5), aval(dtype=bool)), np.ones(5, np.float32), np.array(True))
    calls = {
        name: line.calls for line in lines for name in ("tanh", "exp", "cos") if f"np.{name}" in line.line
    }
    assert calls == {"tanh": 7, "exp": 1, "cos": 0}
