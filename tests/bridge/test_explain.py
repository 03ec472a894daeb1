"""`kerasflow.explain`: what it shows is what runs, in words of the model's; what it says of anything else."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import optree
import pytest

import kerasflow
from kerasflow.compiler import current_backend
from kerasflow.compiler.compile import compile_graph
from kerasflow.errors import KerasflowError, TracingError
from kerasflow.inspect.explain import _listing
from kerasflow.inspect.reading.naming import state_wishes
from kerasflow.inspect.traceable import entry_of
from kerasflow.primitives import PRIMITIVES
from kerasflow.testing.keras_cases.zoo import ARCHITECTURES, Task

L = keras.layers


def _called(evaluate: Callable[..., Any]) -> Callable[..., Any]:
    def called(*arrays: Any, **params: Any) -> Any:
        return evaluate(*arrays, **{k: np.dtype(v) if k == "dtype" else v for k, v in params.items()})

    return called


# What stands in the text without being NumPy's: primitives that have no expression of their own.
VOCABULARY: dict[str, Any] = {"np": np, **{name: _called(p.evaluate) for name, p in PRIMITIVES.items()}}


def wave(x, scale=2.0):
    return np.tanh(x) * scale


@pytest.fixture
def model():
    model = keras.Sequential([keras.Input((3,)), L.Dense(4, "relu", name="only")], name="sequential")
    model.compile("sgd", "mse")
    return model


X, Y = np.ones((5, 3), "float32"), np.ones((5, 4), "float32")


def assert_runs(what: Any, arrays: tuple[Any, ...], of: str | None = None) -> None:
    """The text, executed, gives what the program gives, and leaves the state as the program does."""
    text = kerasflow.explain(what, *arrays, of=of)
    entry = entry_of(what, arrays, {}, of)
    state = [np.array(cell.read()) for cell in entry.cells]
    names = _listing(what, entry, of).state
    namespace = {**VOCABULARY, **dict(zip(names, state, strict=True))}
    exec(compile(text, "explained", "exec"), namespace)
    (name,) = re.findall(r"^def (\w+)\(", text, re.MULTILINE)
    leaves = optree.tree_leaves(arrays)
    given = [np.asarray(a, v.aval.dtype) for a, v in zip(leaves, entry.graph.inputs, strict=True)]
    with np.errstate(all="ignore"):
        results = namespace[name](*given)
    outputs, now = current_backend("numpy").compile(entry.graph)([a.copy() for a in state], given)
    expected = [constant if i < 0 else outputs[i] for i, constant in entry.outputs]
    assert_close(optree.tree_leaves(results), expected)
    assert_close([namespace[key] for key in names], now)


def assert_close(found: list[Any], expected: list[Any]) -> None:
    for ours, theirs in zip(found, expected, strict=True):
        scale = (
            np.abs(theirs).max(initial=1e-9) if np.issubdtype(np.asarray(theirs).dtype, np.floating) else 1
        )
        np.testing.assert_allclose(
            ours, theirs, rtol=1e-5, atol=1e-6 * scale + 1e-12
        )  # Gradients that cancel are rounding.


@pytest.fixture
def double_precision():
    keras.config.set_dtype_policy("float64")
    keras.config.set_floatx("float64")
    yield
    keras.config.set_dtype_policy("float32")
    keras.config.set_floatx("float32")


@pytest.mark.usefixtures("double_precision")
@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=lambda f: f.__name__)
def test_what_is_shown_is_what_runs(architecture: Callable[..., Task]) -> None:
    keras.utils.set_random_seed(1)
    task = architecture()
    x, *labels = keras.tree.map_structure(lambda a: a[:3], task.train)
    assert_runs(task.model, (x, *labels), "train")
    if labels:  # What a network is trained on without any need not be what it predicts from.
        assert_runs(task.model, (x,))


@pytest.mark.parametrize("optimizer", ["sgd", "rmsprop", "nadam", "adamw", "lion", "ftrl"])
def test_optimizers(optimizer: str, model: Any) -> None:
    model.compile(keras.optimizers.get({"class_name": optimizer, "config": {"clipnorm": 1.0}}), "mse")
    assert_runs(model, (X, Y))


def test_a_step_has_sections_and_names_of_its_own(model: Any) -> None:
    text = kerasflow.explain(model, X, Y)
    sections = re.findall(r"# ---- (\w+) ----", text)
    assert sections == ["forward", "loss", "gradients", "update", "metrics"]
    assert "only = np.maximum(x @ only_kernel + only_bias, 0)  # float32[5,4]" in text
    assert re.search(r"grad_only_kernel = x.T @ \w+  # float32\[3,4\]", text)
    assert re.search(r"only_kernel = only_kernel - .*grad_only_kernel", text)
    assert "loss = " in text and 'return {"loss": metric_loss}' in text
    assert not re.search(r"_v\d", text)


def test_state_is_called_after_its_layer() -> None:
    names = [
        "m/dense/kernel",
        "m/dense_1/kernel",
        "adam/m_dense_kernel_momentum",
        "adam/m_dense_1_kernel_momentum",
    ]
    expected = ["dense_kernel", "dense_1_kernel", "dense_kernel_momentum", "dense_1_kernel_momentum"]
    assert state_wishes(names) == expected
    assert state_wishes(["a/block/dense/kernel", "b/block/dense/kernel"])[0] == "a_block_dense_kernel"


def test_a_new_value_has_the_states_name_only_where_nobody_reads_the_old_one() -> None:
    counter = keras.Variable(np.zeros(3), name="counter", dtype="float64")

    def counted(x):
        before = keras.ops.convert_to_tensor(counter)
        counter.assign(counter + x)
        return np.cumsum(before) * counter

    assert_runs(counted, (np.arange(3.0),))
    counter.assign(np.ones(3))
    assert_runs(counted, (np.arange(3.0),))


def test_the_text_that_runs_stands_below_the_lines_that_it_is_for(model: Any) -> None:
    read, run = (kerasflow.explain(model, X, Y, as_run=as_run) for as_run in (False, True))
    headings = [line.strip()[2:] for line in run.splitlines() if line.strip().startswith("# ")]
    assert headings and not run.lines and "out=" in run and "out=" not in read
    texts = {line.text.strip() for line in read.lines}
    assert set(headings) <= texts
    _, program = compile_graph(entry_of(model, (X, Y), {}, None).graph, current_backend("numpy"))
    assert program.code.text == current_backend("numpy").compile(_tagged_graph(model)).code.text


def _tagged_graph(model: Any) -> Any:
    return _listing(model, entry_of(model, (X, Y), {}, None), None).tagged


def test_a_notebook_shows_it_folded_and_a_file_keeps_it(model: Any, tmp_path: Path) -> None:
    text = kerasflow.explain(model, X, Y)
    page = text._repr_html_()
    assert page.count("<details open") == page.count("</details>") >= 7
    assert ">gradients</summary>" in page and ">grad sequential/only</summary>" in page
    assert text.save(tmp_path / "step.py").read_text() == text
    assert page in text.save(str(tmp_path / "step.html")).read_text()
    with pytest.raises(KerasflowError, match="could not be written"):
        text.save(tmp_path / "no" / "step.py")


def test_names_are_escaped(tmp_path: Path) -> None:
    odd = keras.Sequential([keras.Input((3,)), L.Dense(2, name="<b>&import os")])
    text = kerasflow.explain(odd)
    assert "<b>" not in text._repr_html_() and "&lt;b&gt;&amp;import os" in text._repr_html_()
    assert_runs(odd, (X,))


def test_a_function():
    text = kerasflow.explain(wave, X)
    assert text.startswith("def wave(x):") and "product = np.tanh(x) * 2  # float32[5,3]" in text
    assert kerasflow.explain(kerasflow.jit(wave), X) == text
    assert "* 3 " in kerasflow.explain(wave, X, scale=3.0)
    assert "def grad_f(x)" in kerasflow.explain(kerasflow.grad(f), X)
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'x'"):
        kerasflow.explain(wave)
    with pytest.raises(TracingError):
        kerasflow.explain(lambda x: x if x.sum() > 0 else -x, X)
    assert kerasflow.explain(lambda x: x + 1, X).startswith("def function(x):")


def test_whole_numbers_are_written_as_such() -> None:
    text = kerasflow.explain(lambda x: (x * 2.0 + 1e30) / np.float32(-0.0), X)
    assert "x * 2 " in text and "1e+30" in text and "/ -0.0" in text


def f(x):
    return np.sum(np.tanh(x))


def test_what_a_function_runs_is_shown_for_any_backend():
    pytest.importorskip("tensorflow")
    with kerasflow.use_backend("tensorflow"):
        assert "np.tanh(x)" in kerasflow.explain(kerasflow.jit(wave), X)
        assert "np.tanh(x0" in kerasflow.explain(kerasflow.jit(wave), X, as_run=True)


def test_a_layer():
    source = kerasflow.explain(L.Dense(2, name="own"), X)  # not built
    assert "# own" in source and "float32[5,2]" in source and "def call(inputs):" in source


def test_a_models_steps(model):
    assert kerasflow.explain(model) == kerasflow.explain(model, X[:1])
    trained = kerasflow.explain(model, X, Y)
    assert "# grad sequential/only" in trained and "def train_step(x, y):" in trained
    assert kerasflow.explain(model, x=X, y=Y) == trained
    assert "# grad sequential/only" not in kerasflow.explain(model, X, Y, of="test")
    assert kerasflow.explain(model, X.tolist(), Y.tolist()) == trained
    model.fit(X, Y, verbose=0)
    assert kerasflow.explain(model) == trained
    prediction = kerasflow.explain(model, X, of="predict")
    assert "def predict_step(x):" in prediction
    with pytest.warns(DeprecationWarning, match=r"`explain\(..., of=...\)` since kerasflow 0.2"):
        assert kerasflow.explain(model, X, step="predict") == prediction


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
    with pytest.raises(ValueError, match="Only models have steps; received of='train'"):
        kerasflow.explain(wave, X, of="train")
    with pytest.raises(ValueError, match="the step is one of train, test, predict; received 'fit'"):
        kerasflow.explain(model, X, Y, of="fit")


@pytest.mark.filterwarnings("error")
def test_a_model_of_named_inputs_shows_its_prediction():
    a, b = keras.Input((3,), name="a"), keras.Input((2,), name="b")
    model = keras.Model({"a": a, "b": b}, L.Dense(1)(L.concatenate([a, b])))
    assert "def predict_step(x_a, x_b):" in kerasflow.explain(model)
    assert "def predict_step(x):" in kerasflow.explain(keras.Model([a], L.Dense(1)(a)))


@pytest.mark.filterwarnings("error")
def test_numbers_of_half_precision():
    """Comparing with a number that float16 has not would be a warning."""
    halves = np.arange(3, dtype=np.float16)
    text = kerasflow.explain(lambda x: x * np.float16(3) + np.float16(0.5), halves)
    assert "x * 3 + 0.5" in text
