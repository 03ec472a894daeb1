"""What runs on the host before a program, text and what looks it up: the rest is compiled, with equal results."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from typing import Any, ClassVar

import kerasflow  # isort: skip  (before Keras)
import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops

from kerasflow.errors import KerasflowError, ProfileError, TracingError

rng = np.random.default_rng(0)
WORDS = np.array("red green blue dark light sky sea tree".split())
N = 40
TEXT = np.array([[" ".join(rng.choice(WORDS, rng.integers(1, 7)))] for _ in range(N)])
COLOR, SIZE = rng.choice(WORDS[:5], (N, 1)), rng.choice(["s", "m", "l"], (N, 1))
IDS, NUMBERS = rng.integers(0, 9, (N, 1)), rng.normal(size=(N, 2))
Y = rng.normal(size=(N, 1))


@pytest.fixture(autouse=True)
def double() -> Any:
    policy = keras.config.dtype_policy()
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy(policy)


def vectorization(**options: Any) -> Any:
    layer = layers.TextVectorization(max_tokens=20, **options)
    layer.adapt(TEXT)
    return layer


def text(name: str | None = None) -> Any:
    return keras.Input((1,), dtype="string", name=name)


def colors(**options: Any) -> Any:
    return layers.StringLookup(vocabulary=list(WORDS[:3]), **options)


class Floats(layers.Layer):
    def call(self, x: Any) -> Any:
        return ops.cast(x, "float64")


# -- the models, each with what it takes --------------------------------------------------------------------


def sequential() -> Any:
    encode = vectorization(output_sequence_length=5)
    rest = [
        layers.Embedding(20, 4, mask_zero=True),
        layers.GRU(3),
        layers.Dropout(0.3, seed=1),
        layers.Dense(1),
    ]
    return keras.Sequential([text(), encode, *rest]), TEXT


def unbuilt() -> Any:
    encode = vectorization(output_sequence_length=5)
    rest = [layers.Embedding(20, 4), layers.GlobalAveragePooling1D(), layers.Dense(1)]
    return keras.Sequential([encode, *rest]), TEXT


def as_long_as_the_longest() -> Any:
    rest = [layers.Embedding(20, 4), layers.GlobalAveragePooling1D(), layers.Dense(1)]
    return keras.Sequential([text(), vectorization(), *rest]), TEXT


def multi_hot() -> Any:
    return keras.Sequential([text(), vectorization(output_mode="multi_hot"), layers.Dense(1)]), TEXT


def tf_idf() -> Any:
    return keras.Sequential([text(), vectorization(output_mode="tf_idf"), layers.Dense(1)]), TEXT


def functional() -> Any:
    """Strings beside numbers, one string for several lookups, a lookup's result in arithmetic and in another lookup."""
    inputs = t, c, s, i, n = text(), text(), text(), keras.Input((1,), dtype="int64"), keras.Input((2,))
    color = colors()(c)
    parts = [
        layers.CategoryEncoding(num_tokens=4, output_mode="one_hot")(color),
        layers.Hashing(4, output_mode="one_hot")(c),
        layers.StringLookup(vocabulary=["s", "m"], output_mode="one_hot")(s),
        layers.HashedCrossing(8, output_mode="one_hot")((c, s)),
        layers.IntegerLookup(vocabulary=[2, 3], output_mode="one_hot")(i * 2 + color),
        layers.Flatten()(layers.Embedding(4, 2)(layers.IntegerLookup(vocabulary=[1, 2, 3])(i))),
        layers.GlobalMaxPooling1D()(layers.Embedding(20, 3)(vectorization(output_sequence_length=4)(t))),
        n,
    ]
    x = layers.Dense(4, activation="tanh")(layers.Concatenate()([Floats()(part) for part in parts]))
    return keras.Model(inputs, layers.Dense(1)(x)), [TEXT, COLOR, SIZE, IDS, NUMBERS]


def nested() -> Any:
    c = text()
    encoder = keras.Model(c, colors(output_mode="one_hot")(c))
    rest = [layers.Embedding(20, 2), layers.Flatten()]
    embedder = keras.Sequential([text(), vectorization(output_sequence_length=4), *rest])
    t, c, n = text("t"), text("c"), keras.Input((2,), name="n")
    x = layers.Concatenate()([Floats()(encoder(c)), embedder(t), n])
    return keras.Model({"t": t, "c": c, "n": n}, layers.Dense(1)(x)), {"t": TEXT, "c": COLOR, "n": NUMBERS}


def feature_space() -> Any:
    space = keras.utils.FeatureSpace(
        {
            "c": "string_categorical",
            "i": "integer_categorical",
            "n": "float_normalized",
            "s": keras.utils.FeatureSpace.string_hashed(4),
        },
        crosses=[keras.utils.FeatureSpace.cross(("c", "s"), 8)],
        output_mode="concat",
    )
    data = {"c": COLOR, "i": IDS, "n": NUMBERS[:, :1], "s": SIZE}
    space.adapt(tf.data.Dataset.from_tensor_slices({name: x[:, 0] for name, x in data.items()}))
    x = layers.Dense(1)(space.get_encoded_features())
    inputs = space.get_inputs()
    return keras.Model(inputs, x), {name: data[name] for name in inputs}


class Lengths(layers.Layer):
    """A layer of the user's own, in TensorFlow's functions."""

    def call(self, x: Any) -> Any:
        return np.asarray(tf.strings.length(x))

    def compute_output_spec(self, x: Any) -> Any:
        return keras.KerasTensor(x.shape, "int32")


def own_layer() -> Any:
    return keras.Sequential([text(), Lengths(), layers.Dense(1)]), TEXT


class Mixed(keras.Model):
    """Looks up what it is given, parts of that, and what NumPy makes of it."""

    def __init__(self) -> None:
        super().__init__()
        self.encode = vectorization(output_sequence_length=5)
        self.colors = colors(output_mode="one_hot")
        self.embed, self.dense = layers.Embedding(20, 4), layers.Dense(1)

    def call(self, x: Any) -> Any:
        words = ops.mean(self.embed(self.encode(x["t"])), axis=1)
        twice = np.concatenate([x["c"], x["c"][::-1]], axis=1)
        parts = [words, self.colors(x["c"]), self.colors(twice[:, 1:]), x["c"] == "red", x["n"]]
        return self.dense(ops.concatenate([ops.cast(part, "float64") for part in parts], axis=-1))


class Words(layers.Layer):
    """A layer made of layers, those that look up and those that learn."""

    def __init__(self) -> None:
        super().__init__()
        self.encode, self.colors = vectorization(output_sequence_length=5), colors(output_mode="one_hot")
        self.embed = layers.Embedding(20, 4)

    def call(self, x: Any) -> Any:
        words, color = x
        return ops.concatenate(
            [ops.mean(self.embed(self.encode(words)), 1), ops.cast(self.colors(color), "float64")], 1
        )


def of_layers() -> Any:
    inputs = [text(), text()]
    return keras.Model(inputs, layers.Dense(1)(Words()(inputs))), [TEXT, COLOR]


def mixed() -> Any:
    return Mixed(), {"t": TEXT, "c": COLOR, "n": NUMBERS}


MODELS = [
    sequential,
    unbuilt,
    as_long_as_the_longest,
    multi_hot,
    tf_idf,
    functional,
    nested,
    feature_space,
    own_layer,
    of_layers,
    mixed,
]


def trained(make: Callable[[], Any], **options: Any) -> tuple[Any, dict[str, list[float]], Any]:
    """A model that `fit` has trained, its history, and its predictions."""
    keras.utils.set_random_seed(0)
    model, x = make()
    model.compile(keras.optimizers.Adam(0.01), "mse", metrics=["mae"], **options)
    weights = np.linspace(0, 1, N)
    history = model.fit(
        x, Y, sample_weight=weights, validation_data=(x, Y), batch_size=16, epochs=2, verbose=0
    ).history
    return model, history, model.predict(x, verbose=0)


def same(found: Any, expected: Any) -> None:
    for name, values in expected[1].items():
        np.testing.assert_allclose(found[1][name], values, rtol=0, atol=1e-9)
    for w, v in zip(found[0].get_weights(), expected[0].get_weights(), strict=True):
        if w.dtype.kind == "f":
            np.testing.assert_allclose(w, v, rtol=0, atol=1e-9)
    np.testing.assert_allclose(found[2], expected[2], rtol=0, atol=1e-9)


def steps(model: Any) -> list[Any]:
    functions = (model.train_function, model.test_function, model.predict_function)
    return [function.step for function in functions if function is not None]


@pytest.mark.filterwarnings("ignore:The structure of `inputs`")
@pytest.mark.parametrize("make", MODELS, ids=lambda make: make.__name__)
def test_equal_to_operation_by_operation(make: Any) -> None:
    found = trained(make)
    for step in steps(found[0]):
        assert step.refusal == "" and step.compiled.entries
        assert all(entry.host for entry in step.compiled.entries.values())
    same(found, trained(make, run_eagerly=True))


@pytest.mark.parametrize("backend", ["tensorflow", "pytensor"])
def test_on_every_backend(backend: str) -> None:
    with kerasflow.use_backend(backend):
        found = trained(unbuilt, steps_per_execution=2)
    assert steps(found[0])[0].compiled.entries
    same(found, trained(unbuilt, run_eagerly=True, steps_per_execution=2))


def test_text_comes_in_many_forms() -> None:
    model, x = unbuilt()
    expected = model.predict(x, verbose=0)
    data = tf.data.Dataset.from_tensor_slices(x).batch(32)
    for form in (x.astype(object), x.astype(bytes), x.astype("U200"), data):
        np.testing.assert_array_equal(model.predict(form, verbose=0), expected)
    assert len(steps(model)[-1].compiled.entries) == 2  # batches of 32 and of 8


def test_a_lookup_is_as_it_is_now() -> None:
    """Its state is read in each batch, and a program is found for what it gives."""
    rows = np.array([["a"], ["b"]])
    shown = layers.StringLookup(vocabulary=["a"])
    numbers = keras.Sequential([text(), shown])
    assert numbers.predict(rows, verbose=0).ravel().tolist() == [1, 0]
    shown.set_vocabulary(["b", "a"])
    assert numbers.predict(rows, verbose=0).ravel().tolist() == [2, 1]
    assert len(steps(numbers)[-1].compiled.entries) == 1
    lookup = layers.StringLookup(vocabulary=["a"], output_mode="multi_hot")
    hot = keras.Sequential([lookup])
    assert hot.predict(rows, verbose=0).shape == (2, 2)
    lookup._frozen_vocab_size = None  # Keras refuses what follows, for other programs' sake.
    lookup.set_vocabulary(["b", "a", "c"])
    assert hot.predict(rows, verbose=0).tolist() == [[0, 0, 1, 0], [0, 1, 0, 0]]
    assert len(steps(hot)[-1].compiled.entries) == 2


def test_what_is_done_may_depend_on_what_the_lookup_gives() -> None:
    """How many words the longest text has decides here what is looked up next."""
    encode, lookup, calls = vectorization(), colors(), []

    @kerasflow.jit
    def function(x: Any) -> Any:
        words = encode(x)
        calls.append(words.shape)
        return words.sum() if words.shape[1] > 1 else words.sum() + 100 * lookup(x).sum()

    for _ in range(2):
        assert function(np.array([["green"]])) == encode(np.array(["green"])).sum() + 200
        assert function(np.array([["red sky"]])) == encode(np.array(["red sky"])).sum()
    assert len(calls) == 2


def test_jit_takes_text() -> None:
    found = kerasflow.jit(lambda x: (x == "red", x.shape, np.char.str_len(x) + 1))(COLOR)
    np.testing.assert_array_equal(found[0], COLOR == "red")
    assert found[1] == (N, 1)
    np.testing.assert_array_equal(found[2], np.char.str_len(COLOR) + 1)
    with pytest.raises(TracingError, match="gives no strings"):
        kerasflow.jit(lambda x: x[:1])(COLOR)
    with pytest.raises(TracingError, match="asked whether it is true"):
        kerasflow.jit(lambda x: 1 if (x == "red").any() else 2)(COLOR)


def test_the_users_text_is_not_changed() -> None:
    x = COLOR.copy()

    def blank(x: Any) -> Any:
        np.copyto(x, "")
        return x == ""

    with pytest.raises(ValueError, match="read-only"):
        kerasflow.jit(blank)(x)

    def longer(x: Any) -> Any:
        x += "!"
        return x == "red!"

    np.testing.assert_array_equal(kerasflow.jit(longer)(x), COLOR == "red")
    np.testing.assert_array_equal(x, COLOR)


# -- what has no program ------------------------------------------------------------------------------------


class FromWeights(keras.Model):
    """Looks up what its weights say."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = layers.Dense(3), layers.Dense(1)
        self.lookup = layers.IntegerLookup(vocabulary=[0, 1], output_mode="one_hot")

    def call(self, x: Any) -> Any:
        x = self.first(x)
        return self.last(ops.concatenate([x, ops.cast(self.lookup(ops.argmax(x, -1)), "float64")], -1))


class Asks(Mixed):
    """Asks for a value."""

    def call(self, x: Any) -> Any:
        y = super().call(x)
        return y if (x["c"] == "red").all() else -y


class Counts(layers.Layer):
    """Assigns a variable that nobody knows of, on the way to a length."""

    counter: ClassVar[list[Any]] = []

    def call(self, x: Any) -> Any:
        self.counter[0].assign_add(1)
        return np.asarray(tf.strings.length(x))

    compute_output_spec = Lengths.compute_output_spec


class Adds(Lengths):
    """Adds a loss, which is the program's."""

    def call(self, x: Any) -> Any:
        found = super().call(x)
        self.add_loss(np.mean(found, dtype="float64"))
        return found


class Scales(layers.Layer):
    """Says that it cannot be compiled, and has a weight."""

    def __init__(self) -> None:
        super().__init__()
        self.supports_jit = False

    def build(self, shape: Any) -> None:
        self.scale = self.add_weight(shape=(), initializer="ones")

    def call(self, x: Any) -> Any:
        return x * self.scale


def of(layer: Any) -> Any:
    return lambda: (keras.Sequential([text(), layer(), layers.Dense(1)]), TEXT)


REFUSED = {
    "weights": (lambda: (FromWeights(), NUMBERS), "integer_lookup.* depends on weights"),
    "values": (lambda: (Asks(), {"t": TEXT, "c": COLOR, "n": NUMBERS}), "asked whether it is true"),
    "variables": (of(Counts), "reads or assigns variables|was given a traced array"),
    "losses": (of(Adds), "adds losses|was given a traced array"),
    "declines": (
        lambda: (keras.Sequential([Scales(), layers.Dense(1)]), NUMBERS),
        "scales.* cannot be compiled",
    ),
}


@pytest.mark.filterwarnings("ignore:Layer .* looks like it has unbuilt state")
@pytest.mark.parametrize("kind", REFUSED)
def test_runs_operation_by_operation_where_it_has_to(kind: str) -> None:
    make, reason = REFUSED[kind]
    Counts.counter[:] = [keras.Variable(0, dtype="int32")]
    found = trained(make)
    count = int(Counts.counter[0].value)
    assert not steps(found[0])[0].compiled.entries
    same(found, trained(make, run_eagerly=True))
    assert int(Counts.counter[0].value) == 2 * count  # an attempt to compile leaves no trace
    model, x = make()
    model.compile("adam", "mse")
    batch = keras.tree.map_structure(lambda x: x[:8], x)
    for error, show in ((KerasflowError, kerasflow.explain), (ProfileError, kerasflow.profile)):
        with pytest.raises(error, match=rf"(?s)no program .*operation by operation.*({reason})"):
            show(model, batch, Y[:8])


def test_an_error_names_the_layer() -> None:
    lookup = layers.StringLookup(vocabulary=["a", "b"], num_oov_indices=0, name="letters")
    model = keras.Sequential([text(), lookup, layers.Embedding(3, 2), layers.Flatten(), layers.Dense(1)])
    model.compile("adam", "mse")
    known, unknown, y = np.array([["a"], ["b"]]), np.array([["a"], ["c"]]), np.zeros((2, 1))
    for rows in (unknown, known, unknown):
        before = [np.array(w) for w in model.get_weights()]
        if rows is known:
            model.train_on_batch(rows, y)
            continue
        with pytest.raises(Exception, match=r"in sequential\S*/letters"):
            model.train_on_batch(rows, y)
        for w, v in zip(model.get_weights(), before, strict=True):
            np.testing.assert_array_equal(w, v)
    assert steps(model)[0].refusal == "" and steps(model)[0].compiled.entries


def test_a_derivative_is_not_lost() -> None:
    """A layer of numbers that cannot be compiled may have one with respect to what it is given."""

    class Squares(layers.Layer):
        supports_jit = False

        def call(self, x: Any) -> Any:
            return x * x

    layer = Squares()
    layer.supports_jit = False

    def slope(x: Any) -> Any:
        return kerasflow.grad(lambda x: ops.sum(layer(x)))(x)

    np.testing.assert_allclose(slope(NUMBERS), 2 * NUMBERS)
    with pytest.raises(TracingError, match="derivative"):
        kerasflow.jit(slope)(NUMBERS)
    np.testing.assert_allclose(kerasflow.jit(layer)(NUMBERS), NUMBERS**2)


# -- what is seen of it -------------------------------------------------------------------------------------


def test_explain_and_profile_show_it() -> None:
    model, x = mixed()
    model.compile("adam", "mse")
    batch = {name: part[:8] for name, part in x.items()}
    source = kerasflow.explain(model, batch, Y[:8])
    assert source.startswith("# On the host, before each call:\n")
    assert re.search(r"(?m)^#   x\d = \S*text_vectorization\S*  # int\d\d\[8,5\]$", source)
    assert "text = concatenate in mixed" in source
    report = str(kerasflow.profile(model, batch, Y[:8], repeats=2))
    assert re.search(r"on the host: \S*text_vectorization", report)
    model.fit(x, Y, batch_size=8, verbose=0)
    assert kerasflow.explain(model).startswith("# On the host")


def test_the_picture_names_what_makes_inputs() -> None:
    pytest.importorskip("matplotlib")
    model, x = unbuilt()
    titles = [t.get_text() for t in kerasflow.plot_graph(model, x[:8], by="operation").axes[0].texts]
    assert any("text_vectorization" in title for title in titles)


def test_threads_have_their_own() -> None:
    model, x = unbuilt()
    expected = model.predict(x, verbose=0)
    found: dict[int, Any] = {}

    def work(i: int) -> None:
        found[i] = model.predict_on_batch(x[i : i + 8])

    threads = [threading.Thread(target=work, args=(i,)) for i in range(0, 32, 4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i, rows in found.items():
        np.testing.assert_allclose(rows, expected[i : i + 8], atol=1e-12)


@pytest.mark.filterwarnings("ignore:Layer .* looks like it has unbuilt state")
def test_training_is_told_to_layers_on_the_host() -> None:
    class Blanks(layers.Layer):
        """Gives nothing in training."""

        def call(self, x: Any, training: bool = False) -> Any:
            return np.zeros(x.shape) if training else np.asarray(tf.strings.length(x)).astype("float64")

        compute_output_spec = Lengths.compute_output_spec

    class Outer(layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.inner = Blanks()

        def call(self, x: Any) -> Any:
            return self.inner(x)

        compute_output_spec = Lengths.compute_output_spec

    same(trained(of(Outer)), trained(of(Outer), run_eagerly=True))
