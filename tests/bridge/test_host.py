"""What runs on the host before a program, text and what looks it up: the rest is compiled, with equal results."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import kerasflow  # isort: skip  (before Keras)
import keras
import numpy as np
import pytest
from keras import layers, ops
from text_models import (
    COLOR,
    MODELS,
    NUMBERS,
    TEXT,
    Lengths,
    Mixed,
    N,
    Y,
    colors,
    mixed,
    sequential,
    text,
    tf,
    unbuilt,
    vectorization,
)

from kerasflow.errors import KerasflowError, ProfileError, TracingError


@pytest.fixture(autouse=True)
def double() -> Any:
    policy = keras.config.dtype_policy()
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy(policy)


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


def test_a_training_that_was_interrupted_goes_on(tmp_path: Path) -> None:
    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if self.model.optimizer.iterations == 4:
                raise KeyboardInterrupt

    def losses(*callbacks: Any) -> Any:
        keras.utils.set_random_seed(0)
        model, x = sequential()
        model.compile("adam", "mse")
        return model.fit(x, Y, batch_size=16, epochs=3, verbose=0, callbacks=callbacks).history["loss"]

    def backup() -> Any:
        return keras.callbacks.BackupAndRestore(tmp_path / "backup", save_freq=1)

    expected = losses()
    with pytest.raises(KeyboardInterrupt):
        losses(backup(), Stop())
    assert losses(backup()) == expected[-2:]


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
    assert re.search(r"(?m)^#   text_vectorization\S* = \S*text_vectorization\S*  # int\d\d\[8,5\]$", source)
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
