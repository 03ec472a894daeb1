"""`kerasflow.plot_graph`: boxes that can be told apart, arrows that lead downwards, the right things in them."""

import itertools
import random

import keras
import numpy as np
import pytest

import kerasflow
from kerasflow.errors import TracingError
from kerasflow.graph import ShapedArray
from kerasflow.inspect.drawing.graph import OPERATIONS
from kerasflow.inspect.drawing.layout import layered
from kerasflow.text import shortened_path
from kerasflow.tracing import Trace, recording


@pytest.mark.parametrize("seed", range(5))
def test_the_layout_of_random_graphs(seed):
    rng = random.Random(seed)
    widths = {i: rng.uniform(0.5, 3) for i in range(40)}
    edges = [(rng.randrange(b), b) for b in range(1, 40) for _ in range(rng.randrange(3))]
    edges.append((30, 2))  # backwards
    places, ways = layered(widths, edges, gap=0.25)
    assert places.keys() == widths.keys()
    assert set(ways) == {edge for edge in edges if edge[0] < edge[1]}
    for (a, b), way in ways.items():
        assert way[0] == places[a] and way[-1] == places[b]
        assert [rank for _, rank in way] == list(range(places[a][1], places[b][1] + 1)), (
            "always one layer down"
        )
    for a, b in itertools.combinations(widths, 2):
        if places[a][1] == places[b][1]:
            apart = abs(places[a][0] - places[b][0])
            assert apart >= (widths[a] + widths[b]) / 2 + 0.25 - 1e-9, "boxes overlap"
    # Ways do not lead through boxes.
    for way, (box, (x, rank)) in itertools.product(ways.values(), places.items()):
        for at, of in way[1:-1]:
            assert of != rank or abs(at - x) > widths[box] / 2


def test_nothing_to_lay_out():
    assert layered({}, []) == ({}, {})


def texts(figure):
    return [text.get_text() for text in figure.axes[0].texts if text.get_text()]


def curve(x):
    return np.sum(np.tanh(x) * 2.0)


def test_a_function_and_its_derivative():
    figure = kerasflow.plot_graph(curve, np.ones(3))
    assert texts(figure) == [
        "input",
        "3",
        "tanh",
        "3",
        "multiply(·, 2)",
        "3",
        "sum",
        "number",
        "result",
        "number",
    ]
    assert figure.axes[0].get_legend() is None
    figure = kerasflow.plot_graph(kerasflow.grad(curve), np.ones(3))
    assert "square" in texts(figure) and "tanh" in texts(figure)
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == ["derivative"]
    assert figure._repr_png_().startswith(b"\x89PNG")


def model():
    made = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(3, "relu", name="a"), keras.layers.Dense(2, name="b")],
        name="tiny",
    )
    made.compile(keras.optimizers.Adam(name="adam"), "mse")
    return made


def test_a_model_by_operation():
    figure = kerasflow.plot_graph(model())
    assert {"a/kernel", "b/bias", "matmul", "1 × 3", "4 × 3", "result"} <= set(texts(figure))
    assert not any(text.startswith("new ") for text in texts(figure))
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == ["tiny/a", "tiny/b"]
    training = texts(kerasflow.plot_graph(model(), np.ones((8, 4)), np.ones((8, 2)), by="operation"))
    assert {"new a/kernel", "new adam/iteration", "new loss/total", "input 0", "input 1"} <= set(training)


def test_a_large_graph_is_drawn_by_layer():
    arrays = np.ones((8, 4)), np.ones((8, 2))
    figure = kerasflow.plot_graph(model(), *arrays)
    assert {"tiny/a", "grad tiny/a", "tiny/b", "grad tiny/b", "adam", "metrics"} <= set(texts(figure))
    counts = [int(text.split()[0]) for text in texts(figure) if text.endswith(("operation", "operations"))]
    by_operation = texts(kerasflow.plot_graph(model(), *arrays, by="operation"))
    assert sum(counts) > OPERATIONS and by_operation.count("matmul") >= 4


def test_a_graph():
    trace = Trace()
    with recording(trace):
        x = trace.add_input(ShapedArray((2,), np.dtype("float32")))
        y = trace.add_input(ShapedArray((), np.dtype("int32")))
        graph = trace.graph([np.exp(x), y])
    assert texts(kerasflow.plot_graph(graph)) == [
        "input 0", "2", "input 1", "number int32", "exp", "2", "result 0", "2", "result 1", "number int32",
    ]  # fmt: skip


def test_what_cannot_be_drawn():
    with pytest.raises(ValueError, match='by is "operation" or "layer"; received \'nodes\''):
        kerasflow.plot_graph(curve, np.ones(3), by="nodes")
    with pytest.raises(TracingError):
        kerasflow.plot_graph(lambda x: x if x > 0 else -x, np.ones(()))


def test_of_a_long_path_the_end_is_shown():
    """Where it is cut, what tells one layer from another is left."""
    forward, backward = (f"model/bidirectional/{way}_lstm" for way in ("forward", "backward"))
    assert len(shortened_path(forward, 24)) == 24
    assert shortened_path(forward, 24).endswith("/forward_lstm") and shortened_path(forward, 24)[0] == "…"
    assert shortened_path(f"grad {backward}", 24) == "grad …onal/backward_lstm"
    assert shortened_path(backward, 99) == backward
