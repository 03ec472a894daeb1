"""The tour: trace, differentiate, compile, train. Read this first."""

from __future__ import annotations

import kerasflow  # isort: skip  (before Keras)
import keras
import numpy as np

from kerasflow.graph import evaluate, format_graph, shaped
from kerasflow.passes import optimize
from kerasflow.tracing import Trace, recording


def neuron(w, x):
    """What all the tour is about, in plain NumPy."""
    return np.sum(np.tanh(np.sum(x * w, axis=1)))


W, X = np.array([0.5, -0.25, 1.0]), np.arange(6.0).reshape(2, 3)


def test_trace():
    """A function of NumPy calls, run once on tracers, becomes a graph of NumPy functions."""
    trace = Trace()
    with recording(trace):
        w, x = trace.add_input(shaped(W)), trace.add_input(shaped(X))
        graph = trace.graph([neuron(w, x)])
    assert [node.primitive.name for node in graph.nodes] == ["multiply", "sum", "tanh", "sum"]
    assert "tanh(v3)" in format_graph(graph)
    (value,), _state = evaluate(optimize(graph), [], [W, X])
    np.testing.assert_allclose(value, neuron(W, X))


def test_grad():
    """The derivative is such a graph again, so that it has derivatives too."""
    slope = kerasflow.grad(neuron)(W, X)
    for i, step in enumerate(np.eye(3) * 1e-6):
        np.testing.assert_allclose(slope[i], (neuron(W + step, X) - neuron(W - step, X)) / 2e-6, rtol=1e-5)


def test_compile():
    """A backend makes a program of a graph; the NumPy backend writes a Python function."""
    program = kerasflow.jit(kerasflow.value_and_grad(neuron))
    value, slope = program(W, X)
    np.testing.assert_allclose(value, neuron(W, X))
    np.testing.assert_allclose(slope, kerasflow.grad(neuron)(W, X))
    (entry,) = program.entries.values()
    assert "np.tanh(" in entry.program.source


def test_fit():
    """Keras's own layers, losses and optimizers run on tracers: the whole training step is one program."""
    keras.utils.set_random_seed(0)
    x = np.random.normal(size=(256, 3)).astype("float32")
    y = (x @ np.array([1.0, -2.0, 0.5]) > 0).astype("float32")
    model = keras.Sequential(
        [keras.layers.Dense(16, activation="relu"), keras.layers.Dense(1, activation="sigmoid")]
    )
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    history = model.fit(x, y, epochs=40, verbose=0).history
    assert history["loss"][-1] < 0.6 * history["loss"][0]
    assert history["accuracy"][-1] > 0.9
    assert "def train_step(" in kerasflow.explain(model)
