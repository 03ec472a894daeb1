"""The façade and the switch: names, backends, and which one runs."""

from __future__ import annotations

import functools
import importlib
import json
import os
import random
import subprocess
import sys
import types
import zipfile
from concurrent.futures import ThreadPoolExecutor

import kerasflow  # isort: skip  (before Keras)
import keras
import numpy as np
import pytest
from keras import layers

from kerasflow.compiler import current_backend
from kerasflow.errors import UnknownBackendError, UnsupportedPrimitiveError

X = np.random.default_rng(0).normal(size=(8, 3)).astype("float32")

# A stranger's backend: it needs nothing of kerasflow but the meaning of graphs.
STRANGER = """
    import random

    import numpy as np
    from kerasflow.graph import evaluate
    from kerasflow.primitives import PRIMITIVES

    LACKS = {"tanh"}
    RUNS = []

    class Stranger:
        name = "stranger"
        primitives = frozenset(PRIMITIVES) - LACKS
        refused = {"tanh": "Strangers do not bend."}

        def __init__(self):
            random.random(), np.random.random()  # as some frameworks do while they are imported

        def compile(self, graph):
            def program(state, inputs):
                RUNS.append(len(graph.nodes))
                return evaluate(graph, state, inputs)
            return program

        def from_host(self, array):
            return [np.array(array)]  # a buffer that only this backend understands

        def to_host(self, buffer):
            return buffer[0]

    class Unwrapping(Stranger):
        def compile(self, graph):
            run = super().compile(graph)
            def program(state, inputs):
                outputs, new = run([buffer[0] for buffer in state], inputs)
                return outputs, [[array] for array in new]
            return program
"""


@pytest.fixture
def stranger(plugin):
    """A package on the path whose metadata has an entry point for a backend."""
    points = {"stranger": "strange_backend:Unwrapping", "homeless": "no_such_module_anywhere:Backend"}
    plugin("strange_backend", STRANGER, points)
    import strange_backend

    return strange_backend


def make(activation="relu", **kwargs):
    keras.utils.set_random_seed(0)
    model = kerasflow.Sequential([layers.Input((3,)), layers.Dense(4, activation, name="hidden")], **kwargs)
    model.compile("adam", "mse")
    return model


# -- names --------------------------------------------------------------------------------------------------


def test_keras_is_here_under_our_name():
    from kerasflow.layers import Dense
    from kerasflow.losses import MeanSquaredError

    from kerasflow.datasets import mnist  # noqa: F401

    assert Dense is keras.layers.Dense is kerasflow.layers.Dense
    assert MeanSquaredError is keras.losses.MeanSquaredError
    assert kerasflow.Model is keras.Model
    assert kerasflow.models.Model is keras.Model
    assert kerasflow.datasets.cifar10 is keras.datasets.cifar10
    assert {"Sequential", "layers", "jit", "GradientTape"} <= set(dir(kerasflow))
    with pytest.raises(AttributeError, match="neither has Keras"):
        kerasflow.no_such_thing  # noqa: B018
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("kerasflow.no_such_module")


# Modules of ours with the names of Keras's: they have all that Keras's have, and more.
OWN = {"backend", "datasets"}


def test_every_public_module_of_keras_is_here():
    modules = {name for name in dir(keras) if isinstance(getattr(keras, name), types.ModuleType)}
    public = {name for name in modules if not name.startswith("_")} - {"src"}
    assert public > OWN
    for name in sorted(public - OWN):
        assert getattr(kerasflow, name) is getattr(keras, name), name
        assert importlib.import_module(f"kerasflow.{name}") is getattr(keras, name), name
    for name in OWN:
        ours, theirs = getattr(kerasflow, name), getattr(keras, name)
        assert importlib.import_module(f"kerasflow.{name}") is ours
        assert set(dir(ours)) >= {other for other in dir(theirs) if not other.startswith("_")}
    for name in set(dir(keras)) - modules:
        if not name.startswith("_") and name not in kerasflow.__all__:
            assert getattr(kerasflow, name) is getattr(keras, name), name


def test_keras_names_do_what_they_do_there():
    from kerasflow.config import set_floatx

    from kerasflow.backend import epsilon, floatx

    assert floatx is keras.backend.floatx and epsilon is keras.backend.epsilon
    assert set_floatx is keras.config.set_floatx and kerasflow.config.floatx() == "float32"
    assert kerasflow.backend() == "numpy" and "set_backend" in kerasflow.backend.__call__.__doc__
    with pytest.raises(AttributeError, match="no_such_thing"):
        kerasflow.backend.no_such_thing  # noqa: B018


def test_the_public_names():
    for name in kerasflow.__all__:
        assert getattr(kerasflow, name).__doc__, name


# -- Sequential ---------------------------------------------------------------------------------------------


def test_sequential_is_a_keras_model():
    model = make(backend="numpy")
    assert isinstance(model, kerasflow.Sequential)
    assert isinstance(model, keras.Sequential)
    assert model.kerasflow_backend == "numpy"
    assert kerasflow.Sequential().kerasflow_backend is None
    assert kerasflow.Sequential(name="named").name == "named"

    class Mine(kerasflow.Sequential):
        pass

    assert isinstance(Mine([layers.Dense(1)], backend="numpy"), kerasflow.Sequential)
    with pytest.raises(UnknownBackendError, match=r"no backend 'nowhere'. Available: numpy"):
        kerasflow.Sequential([], backend="nowhere")


def test_it_is_saved_as_what_keras_knows(tmp_path):
    model = kerasflow.Sequential([make(backend="numpy"), kerasflow.Sequential([layers.Dense(1)])])
    expected = model.predict(X, verbose=0)
    model.save(tmp_path / "model.keras")
    with zipfile.ZipFile(tmp_path / "model.keras") as file:
        text = file.read("config.json").decode()
    assert "kerasflow" not in text
    assert (json.loads(text)["module"], json.loads(text)["class_name"]) == ("keras", "Sequential")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert type(loaded) is keras.Sequential
    np.testing.assert_array_equal(loaded.predict(X, verbose=0), expected)


class Subclassed(keras.Model):
    def __init__(self, **options):
        super().__init__(**options)
        self.only = layers.Dense(1)

    def call(self, x):
        return self.only(x)


class OfInputs(keras.Model):
    """Keras makes it from its inputs and outputs, whatever it was made from."""

    def __init__(self, inputs, outputs, name=None, **options):
        super().__init__(inputs, outputs, name=name, **options)


def functional(cls, **options):
    inputs = keras.Input((3,))
    return cls(inputs, layers.Dense(1)(inputs), **options)


BINDABLE = {
    "functional": functools.partial(functional, kerasflow.Model),
    "functional subclass": functools.partial(functional, OfInputs),
    "subclass": Subclassed,
}


@pytest.mark.parametrize("make", BINDABLE.values(), ids=BINDABLE)
def test_any_model_can_be_bound(make, stranger, tmp_path):
    model = make(backend="stranger")
    assert model.kerasflow_backend == "stranger"
    stranger.RUNS.clear()
    expected = model.predict(X, verbose=0)
    assert stranger.RUNS
    assert make().kerasflow_backend is None
    with pytest.raises(UnknownBackendError, match="no backend 'nowhere'"):
        make(backend="nowhere")
    model.save(tmp_path / "model.keras")
    kinds = {cls.__name__: cls for cls in (Subclassed, OfInputs)}
    loaded = keras.models.load_model(tmp_path / "model.keras", custom_objects=kinds)
    assert type(loaded) is type(model)
    np.testing.assert_array_equal(loaded.predict(X, verbose=0), expected)


# -- the switch ---------------------------------------------------------------------------------------------


def test_use_backend_nests_and_belongs_to_its_thread(stranger):
    assert kerasflow.backends() == ["homeless", "numpy", "pytensor", "stranger", "tensorflow"]
    assert kerasflow.backend() == "numpy"
    with kerasflow.use_backend("stranger"):
        assert kerasflow.backend() == "stranger"
        with kerasflow.use_backend("numpy"):
            assert kerasflow.backend() == "numpy"
        assert kerasflow.backend() == "stranger"
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(kerasflow.backend).result() == "numpy"
        with pytest.raises(ZeroDivisionError), kerasflow.use_backend("numpy"):
            1 / 0  # noqa: B018
        assert kerasflow.backend() == "stranger"
    assert kerasflow.backend() == "numpy"


def test_set_backend(stranger):
    try:
        kerasflow.set_backend("stranger")
        assert kerasflow.backend() == "stranger"
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(kerasflow.backend).result() == "stranger"
    finally:
        kerasflow.set_backend("numpy")


def test_keras_chooses_a_backend_too(stranger):
    """Keras's own function would import Keras anew."""
    try:
        keras.config.set_backend("stranger")
        assert kerasflow.backend() == "stranger"
    finally:
        keras.config.set_backend("numpy")
    with pytest.raises(UnknownBackendError, match="no backend 'jax'"):
        keras.config.set_backend("jax")
    keras.layers.Dense(1)(np.ones((1, 1)))


def test_what_cannot_be_chosen(stranger):
    for choose in (kerasflow.set_backend, lambda name: kerasflow.use_backend(name).__enter__()):
        with pytest.raises(UnknownBackendError, match="no backend None"):
            choose(None)
        with pytest.raises(
            UnknownBackendError,
            match=r"no backend 'nowhere'. Available: homeless, numpy, pytensor, stranger, tensorflow",
        ):
            choose("nowhere")
        for near, meant in {"TensorFlow": "tensorflow", "numpi": "numpy"}.items():
            with pytest.raises(
                UnknownBackendError, match=rf"'{near}'. Did you mean '{meant}'\? Available: homeless, "
            ):
                choose(near)
        with pytest.raises(UnknownBackendError, match="needs the module 'no_such_module_anywhere'"):
            choose("homeless")
    assert kerasflow.backend() == "numpy"


def test_choosing_a_backend_draws_no_random_numbers(stranger):
    keras.utils.set_random_seed(0)
    expected = random.random(), np.random.random()
    keras.utils.set_random_seed(0)
    with kerasflow.use_backend("stranger"):
        assert (random.random(), np.random.random()) == expected


def test_training_moves_between_backends(stranger):
    model, twin = make(), make()
    for name in ("numpy", "stranger", "stranger", "numpy"):
        with kerasflow.use_backend(name):
            found = model.train_on_batch(X, X[:, :1])
        assert found == pytest.approx(twin.train_on_batch(X, X[:, :1]), rel=1e-5)
    assert len(stranger.RUNS) == 2
    for a, b in zip(model.get_weights(), twin.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_a_model_that_is_bound_stays(stranger):
    bound, free = make(backend="stranger"), make()
    bound.predict(X, verbose=0)
    assert len(stranger.RUNS) == 1
    with kerasflow.use_backend("stranger"):
        free.predict(X, verbose=0)
        make(backend="numpy").predict(X, verbose=0)
    assert len(stranger.RUNS) == 2


def test_a_primitive_that_the_backend_lacks(stranger):
    model = make("tanh", backend="stranger")
    before = model.get_weights()
    with pytest.raises(
        UnsupportedPrimitiveError, match=r"'stranger' does not support `tanh` \(in .*hidden\)"
    ) as error:
        model.fit(X, X[:, :1], verbose=0)
    assert "`tanh`" in str(error.value)
    assert str(error.value).endswith("Strangers do not bend.")
    assert stranger.RUNS == []
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_primitive_that_only_a_branch_needs(stranger):
    function = kerasflow.jit(lambda x: keras.ops.cond(x[0] > 0, lambda: np.tanh(x), lambda: x))
    with kerasflow.use_backend("stranger"), pytest.raises(UnsupportedPrimitiveError, match="`tanh`"):
        function(X[0])
    # What no result needs does not count.
    idle = kerasflow.jit(lambda x: (np.tanh(x), x + 1)[1])
    with kerasflow.use_backend("stranger"):
        np.testing.assert_array_equal(idle(X), X + 1)


def test_the_environment():
    program = "import kerasflow; print(kerasflow.backend()); kerasflow.jit(lambda x: x)(__import__('numpy').ones(2))"

    def run(name):
        environment = {**os.environ, "KERASFLOW_BACKEND": name}
        return subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60
        )

    assert run("numpy").stdout == "numpy\n"
    assert run("").stdout == "numpy\n"
    finished = run("nowhere")
    assert "SettingError: KERASFLOW_BACKEND must be one of the backends numpy, " in finished.stderr
    assert "received 'nowhere'" in finished.stderr


def test_backends_are_made_once():
    assert current_backend("numpy") is current_backend()
