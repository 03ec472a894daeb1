"""Names of models, of any characters: they train, are shown and exported, and nothing in them ever runs."""

from __future__ import annotations

import ast
import builtins
import json
import warnings
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import kerasflow  # isort: skip  (before Keras)
import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from imported import imported

from kerasflow.graph import identifier, literal, plain, printable
from kerasflow.testing.keras_cases import zoo
from kerasflow.text import drawn, html
from kerasflow_numpy.emit.code import Code

L = keras.layers

X = np.random.default_rng(0).standard_normal((6, 4)).astype("float32")
Y = np.ones((6, 1), "float32")

FLAG = "KERASFLOW_TESTS_RAN"
CODE = f"__import__('builtins').__dict__.__setitem__('{FLAG}', 1)"
# What `str.splitlines`, and so Python's own reader of lines, or something like it, may take for the end of a line.
SEPARATORS = "\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"


@pytest.fixture(autouse=True)
def nothing_runs() -> Iterator[None]:
    vars(builtins).pop(FLAG, None)
    yield
    assert FLAG not in vars(builtins), "text of a model was executed"


# -- models with strings in every place -----------------------------------------------------------------------


@keras.saving.register_keras_serializable("names")
class Scaled(L.Layer):
    """Has a variable and a scope that are called as its configuration says."""

    def __init__(self, variable: str = "factor", scope: str = "scaling", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.variable, self.scope = variable, scope

    def build(self, shape: Any) -> None:
        self.factor = self.add_weight(shape=(shape[-1],), initializer="ones", name=self.variable)

    def call(self, x: Any) -> Any:
        with keras.name_scope(self.scope):
            return keras.ops.tanh(x) * self.factor

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "variable": self.variable, "scope": self.scope}


def small() -> tuple[Any, Any, Any]:
    """A model with another one inside, with metrics, a schedule, a regularizer and a policy."""
    inner = keras.Sequential(
        [keras.Input((4,)), L.Dense(3, "relu", kernel_regularizer="l2"), Scaled()], name="inner"
    )
    inputs = keras.Input((4,), name="given")
    x = L.BatchNormalization()(inner(inputs))
    model = keras.Model(inputs, L.Dense(1, dtype=keras.DTypePolicy("float32"))(x), name="outer")
    rate = keras.optimizers.schedules.ExponentialDecay(0.1, 9, 0.9, name="rate")
    loss = keras.losses.MeanSquaredError(name="error")
    model.compile(
        keras.optimizers.Adam(rate, name="rule"), loss, metrics=[keras.metrics.MeanAbsoluteError("mae")]
    )
    return model, X, Y


def of_the_zoo(name: str) -> tuple[Any, Any, Any]:
    task = getattr(zoo, name)(exact=True)
    x, y = keras.tree.map_structure(lambda a: a[:4], task.train)
    return task.model, x, y


MODELS: dict[str, Callable[[], tuple[Any, Any, Any]]] = {
    "small": small,
    "siamese": lambda: of_the_zoo("siamese"),
    "gru_encoder_decoder": lambda: of_the_zoo("gru_encoder_decoder"),
    "transformer_encoder": lambda: of_the_zoo("transformer_encoder"),
}

Place = tuple[Any, ...]


def strings(config: Any, place: Place = ()) -> Iterator[Place]:
    """The places of all strings in a configuration."""
    if isinstance(config, str):
        yield place
    elif isinstance(config, dict):
        for key, value in config.items():
            yield from strings(value, (*place, key))
    elif isinstance(config, list):
        for i, value in enumerate(config):
            yield from strings(value, (*place, i))


def renamed(config: Any, old: str, new: str) -> Any:
    """The configuration with another string wherever that one stands: a layer is mentioned by its name."""
    if isinstance(config, dict):
        return {key: renamed(value, old, new) for key, value in config.items()}
    if isinstance(config, list):
        return [renamed(value, old, new) for value in config]
    return new if config == old else config


def replaced(config: Any, place: Place, text: str) -> Any:
    """The configuration with another string in one place."""
    if not place:
        return text
    first, *rest = place
    copy = dict(config) if isinstance(config, dict) else list(config)
    copy[first] = replaced(config[first], tuple(rest), text)
    return copy


def at(config: Any, place: Place) -> Any:
    for key in place:
        config = config[key]
    return config


# -- programs -------------------------------------------------------------------------------------------------


def texts(code: Code) -> list[str]:
    """What is executed of a program."""
    return [code.text, *(text for block in code.blocks for text in texts(block.code))]


def programs(model: Any, x: Any, y: Any) -> list[str]:
    """What is executed when a model trains and predicts."""
    model.train_on_batch(x, y)
    model.predict_on_batch(x)
    return [
        text
        for function in (model.train_function, model.predict_function)
        for entry in function.step.compiled.entries.values()
        for text in texts(entry.program.code)
    ]


class Anonymous(ast.NodeTransformer):
    """Gives identifiers numbers in the order in which they occur, and all strings the same contents."""

    def __init__(self) -> None:
        self.numbers: dict[str, str] = {}

    def _number(self, name: str) -> str:
        return self.numbers.setdefault(name, f"v{len(self.numbers)}")

    def visit_Name(self, node: ast.Name) -> ast.AST:
        node.id = self._number(node.id)
        return node

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.arg = self._number(node.arg)
        return node

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        return ast.Constant("") if isinstance(node.value, str) else node


def tree(text: str) -> str:
    """The syntax tree of a program, but for what it calls things."""
    return ast.dump(Anonymous().visit(ast.parse(text)))


def does(text: str) -> list[str]:
    """All that a program imports, defines and calls (which expressions have lines of their own hangs on names)."""
    found = []
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Call(ast.Name(function)):
                found.append(function)
            case ast.Call(ast.Attribute(attr=method)):
                found.append(f".{method}")
            case ast.Import() | ast.ImportFrom():
                found.append(ast.unparse(node))
            case ast.FunctionDef() | ast.ClassDef():
                found.append(f"def {node.name}")
            case ast.Call():
                found.append(ast.unparse(node))
    return sorted(found)


class Known:
    """Of a model its configuration as JSON, the places of strings in that, data, and the trees of its programs."""

    def __init__(self, make: Callable[[], tuple[Any, Any, Any]]) -> None:
        self.model, self.x, self.y = make()
        self.config = json.dumps(keras.saving.serialize_keras_object(self.model))
        self.places = list(strings(json.loads(self.config)))
        texts = programs(self.model, self.x, self.y)
        self.trees, self.does = list(map(tree, texts)), list(map(does, texts))

    def changed(self, index: int, text: str, everywhere: bool) -> Any:
        """The model with another string in a place of its configuration; None if Keras does not take that."""
        config = json.loads(self.config)
        place = place_of(self, index)
        old = at(config, place)
        config = renamed(config, old, text) if everywhere else replaced(config, place, text)
        try:
            model = keras.saving.deserialize_keras_object(config, safe_mode=True)
            return model if model.compiled else None
        except Exception:  # Keras has many ways to say so.
            return None


@pytest.fixture(scope="module")
def known() -> dict[str, Known]:
    return {name: Known(make) for name, make in MODELS.items()}


def place_of(one: Known, index: int) -> Place:
    return one.places[index % len(one.places)]


def hostile(separator: str) -> str:
    """Code, for whom `separator` ends what is around it."""
    return f"d{separator}    {CODE}{separator}    #"


ANY = st.one_of(
    st.sampled_from(SEPARATORS).map(hostile),
    st.sampled_from(["'", '"', '"""', "\\", "{", "]})"]).map(lambda s: f"{s}]}}) + {CODE} + ({s}"),
    st.text(st.characters(exclude_characters="/"), min_size=1, max_size=30),
    st.sampled_from("range np np.foo pooling.1 kernels parallel_each step make x0 t0 c0 None m² µ ①".split()),
)
SETTINGS = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@settings(SETTINGS, max_examples=150)
@given(name=st.sampled_from(list(MODELS)), index=st.integers(0, 10_000), text=ANY, everywhere=st.booleans())
def test_a_program_is_that_of_the_plainly_named_model(
    name: str, index: int, text: str, everywhere: bool, known: dict[str, Known]
) -> None:
    """Whatever string stands in whichever place of the configuration."""
    model = known[name].changed(index, text, everywhere)
    if model is not None:
        try:
            found = programs(model, known[name].x, known[name].y)
        except ValueError as error:  # of Keras, which asks for some things only now
            assert "Could not interpret" in str(error), place_of(known[name], index)
            return
        place = place_of(known[name], index)
        if "metrics" in place:  # Results are in the order of their names.
            assert list(map(does, found)) == known[name].does, place
        else:
            assert list(map(tree, found)) == known[name].trees, place
        assert FLAG not in vars(builtins)


def test_most_places_take_any_string(known: dict[str, Known]) -> None:
    """So that the test above tries something."""
    for one in known.values():
        taken = [one.changed(i, hostile("\n"), i % 2 == 0) for i in range(len(one.places))]
        assert sum(model is not None for model in taken) > len(taken) / 4


@pytest.mark.parametrize("separator", SEPARATORS, ids=ascii)
def test_a_loaded_file_does_not_run(separator: str, tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((4,)), L.Dense(1, name=hostile(separator))])
    model.compile(keras.optimizers.Adam(name=hostile(separator)), "mse")
    model.save(tmp_path / "model.keras")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras's, with the optimizer's name in them
        loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    loaded.fit(X, Y, verbose=0)
    loaded.predict(X, verbose=0)


# -- exported files -------------------------------------------------------------------------------------------


@settings(SETTINGS, max_examples=25)
@given(index=st.integers(0, 10_000), text=ANY, everywhere=st.booleans())
def test_an_exported_file_is_that_of_the_plainly_named_model(
    index: int, text: str, everywhere: bool, known: dict[str, Known], tmp_path: Path
) -> None:
    plainly = known["small"]
    model = plainly.changed(index, text, everywhere)
    if model is None:
        return
    path = kerasflow.export_numpy(model, tmp_path / "named.py", training=(X, Y))
    expected = kerasflow.export_numpy(plainly.model, tmp_path / "plain.py", training=(X, Y)).read_text()
    written = path.read_text("utf-8")
    assert written.isascii()
    assert does(written) == does(expected)
    np.testing.assert_allclose(imported(path).predict(X), model.predict(X, verbose=0), 1e-5)
    assert FLAG not in vars(builtins)


# -- every name, everywhere -----------------------------------------------------------------------------------

NAMES = [
    "pooling.1", "np.foo", "m²", "①", "dense😀", "a\x00b", "\ud800", "<script>", "range", "file", "allow_pickle",
    "constant", "a$\\frac$c", "_under", "\x1b[31mred", "a\u2028b", "q\"'''{%s}\\N{DASH}", "class", "\u202ertl", "-",
    "x" * 10_000,
]  # fmt: skip


def named(name: str) -> Any:
    layers = [keras.Input((4,), name=f"{name}i"), L.Dense(3, "relu", name=name), L.Dense(1, name=f"{name}o")]
    model = keras.Sequential(layers, name=name)
    metric = keras.metrics.MeanAbsoluteError(name=name)
    model.compile(
        keras.optimizers.Adam(name=name), keras.losses.MeanSquaredError(name=name), metrics=[metric]
    )
    return model


def short(name: str) -> str:
    return ascii(name)[1:13]


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.found.add(tag)


@pytest.mark.filterwarnings("ignore:Glyph")  # Matplotlib's font does not have them all.
@pytest.mark.parametrize("name", NAMES, ids=short)
def test_trained_and_shown(name: str, tmp_path: Path) -> None:
    model = named(name)
    model.fit(X, Y, verbose=0)
    source = kerasflow.explain(model, X, Y)
    assert all(line.isprintable() for line in source.split("\n"))
    compile(source, "explained", "exec")
    report = kerasflow.profile(model, X, Y, repeats=2)
    assert all(line.isprintable() and len(line) < 300 for line in str(report).split("\n"))
    tags = Tags()
    tags.feed(report._repr_html_())
    assert tags.found == {"p", "table", "tr", "th", "td", "code"}
    report.plot().savefig(tmp_path / "profile.png")
    for by in ("layer", "operation"):
        kerasflow.plot_graph(model, X, Y if by == "layer" else None, by=by).savefig(tmp_path / "graph.svg")
        tags_of_svg = {x.tag.rpartition("}")[2] for x in ElementTree.parse(tmp_path / "graph.svg").iter()}
        assert not tags_of_svg & {"script", "a", "foreignObject", "image"}
    assert max(path.stat().st_size for path in tmp_path.iterdir()) < 1_000_000


@pytest.mark.parametrize("name", NAMES, ids=short)
def test_exported(name: str, tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime", reason="what runs ONNX files is not installed")
    model = named(name)
    expected = model.predict(X, verbose=0)
    for embed in (False, True):
        path = kerasflow.export_numpy(model, tmp_path / f"file{embed}.py", training=(X, Y), embed=embed)
        exported = imported(path)
        np.testing.assert_allclose(exported.predict(X), expected, 1e-5)
        exported.train_step(X, Y)
        np.savez(tmp_path / "state.npz", **exported.state)
    model.export(tmp_path / "model.onnx", format="onnx", verbose=False)
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    (given,), (result,) = session.get_inputs(), session.get_outputs()
    np.testing.assert_allclose(session.run([result.name], {given.name: X})[0], expected, 1e-4, 1e-6)


def test_saved_models(tmp_path: Path) -> None:
    tensorflow = pytest.importorskip("tensorflow", reason="TensorFlow is an extra")
    for i, name in enumerate(("_under", "a\x00b", "\ud800", "m²")):
        model = named(name)
        model.export(tmp_path / f"{i}", verbose=False)
        loaded = tensorflow.saved_model.load(str(tmp_path / f"{i}"))
        np.testing.assert_allclose(loaded.serve(X).numpy(), model.predict(X, verbose=0), 1e-5)


def test_variables_called_like_what_a_program_uses() -> None:
    for name in ("range", "np", "parallel", "True", "len", "x0", "step"):
        v = keras.Variable(np.ones(3, "float32"), name=name)
        looped = kerasflow.jit(lambda x, v=v: keras.ops.fori_loop(0, 5, lambda i, c: c + v, x))
        np.testing.assert_array_equal(looped(np.ones(3, "float32")), np.full(3, 6, "float32"))


# -- the functions --------------------------------------------------------------------------------------------


@given(st.text(st.characters(), max_size=40))
def test_one_function_for_each_kind_of_output(text: str) -> None:
    name = identifier(text)
    assert name.isascii() and name.isidentifier() and not hasattr(builtins, name)
    assert ast.literal_eval(literal(text)) == text and literal(text).isascii()
    assert plain(text).isascii() and len(plain(text)) == len(text) and not {*plain(text)} & {*"'\"\\\n\0#"}
    assert printable(text).isprintable()
    assert not {*html(text)} & {*"<>\"'"}
    assert drawn(text).count("$") == drawn(text).count(r"\$")


def test_printable_leaves_what_can_be_seen() -> None:
    assert printable("m² 😀 Ω/kernel") == "m² 😀 Ω/kernel"
    assert printable("a\x1b[0m\nb\u2028\ud800") == r"a\x1b[0m\nb\u2028\ud800"
