"""`kerasflow.explain`: what it takes, and what it says of anything else."""

import keras
import numpy as np
import pytest

import kerasflow
from kerasflow.errors import TracingError

L = keras.layers


def wave(x, scale=2.0):
    return np.tanh(x) * scale


@pytest.fixture
def model():
    model = keras.Sequential([keras.Input((3,)), L.Dense(4, name="only")], name="sequential")
    model.compile("sgd", "mse")
    return model


X, Y = np.ones((5, 3), "float32"), np.ones((5, 4), "float32")


def test_a_function():
    source = kerasflow.explain(wave, X)
    assert "np.tanh(x0" in source and "2.0" in source and "float32[5,3]" in source
    assert kerasflow.explain(kerasflow.jit(wave), X) == source
    assert "3.0" in kerasflow.explain(wave, X, scale=3.0)
    assert "np.square(" in kerasflow.explain(kerasflow.grad(lambda x: np.sum(np.tanh(x))), X)
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'x'"):
        kerasflow.explain(wave)
    with pytest.raises(TracingError):
        kerasflow.explain(lambda x: x if x.sum() > 0 else -x, X)


def test_what_a_function_runs_is_shown_for_any_backend():
    pytest.importorskip("tensorflow")
    with kerasflow.use_backend("tensorflow"):
        assert "np.tanh(x0" in kerasflow.explain(kerasflow.jit(wave), X)


def test_a_layer():
    source = kerasflow.explain(L.Dense(2, name="own"), X)  # not built
    assert "# own" in source and "float32[5,2]" in source


def test_a_models_steps(model):
    assert kerasflow.explain(model) == kerasflow.explain(model, X[:1])
    trained = kerasflow.explain(model, X, Y)
    assert "# grad sequential/only" in trained
    assert kerasflow.explain(model, x=X, y=Y) == trained
    assert "# grad sequential/only" not in kerasflow.explain(model, X, Y, step="test")
    assert kerasflow.explain(model, X.tolist(), Y.tolist()) == trained
    model.fit(X, Y, verbose=0)
    assert kerasflow.explain(model) == trained


def test_what_cannot_be_explained(model):
    with pytest.raises(
        TypeError, match=r"Expected a Keras model, a layer or a function of arrays; received 'm' \(str\)"
    ):
        kerasflow.explain("m")
    with pytest.raises(TypeError, match=r"Expected a Keras model.* received 'm'"):
        kerasflow.plot_graph("m", X)
    with pytest.raises(TypeError, match="one batch and its labels, x and y; received 3 arrays"):
        kerasflow.explain(model, X, Y, X)
    with pytest.raises(TypeError, match="x and y; received 1 arrays, labels="):
        kerasflow.explain(model, X, labels=Y)
    with pytest.raises(ValueError, match="Only models have steps; received step='train'"):
        kerasflow.explain(wave, X, step="train")
