"""State: who may change which array when. References never change, models do not disturb one another, runs repeat."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap

import kerasflow  # isort: skip  (before Keras)
import keras
import numpy as np
import pytest
from keras import layers, ops

RNG = np.random.default_rng(2)
X = RNG.normal(size=(32, 4)).astype("float32")
Y = X[:, :1] * X[:, 1:2]


def make(units=8, seed=0, optimizer="adam"):
    keras.utils.set_random_seed(seed)
    model = keras.Sequential([layers.Input((4,)), layers.Dense(units), layers.Dropout(0.3), layers.Dense(1)])
    model.compile(optimizer, "mse")
    return model


def fit(model, **kwargs):
    return model.fit(X, Y, **{"batch_size": 8, "verbose": 0, **kwargs}).history


# `units=300` makes the weights large enough for the fused update over flat storage.
@pytest.mark.parametrize("units", [8, 300])
@pytest.mark.parametrize(
    "get",
    [
        lambda m: [w.value for w in m.weights],
        lambda m: m.get_weights(),
        lambda m: [w.numpy() for w in m.weights],
        lambda m: [np.asarray(w) for w in m.weights],
        lambda m: [ops.convert_to_tensor(w) for w in m.weights],
        lambda m: [v.value for v in m.optimizer.variables],
        lambda m: list(m.get_state_tree(value_format="backend_tensor")["trainable_variables"].values()),
    ],
    ids=["value", "get_weights", "numpy", "asarray", "convert_to_tensor", "optimizer", "state tree"],
)
def test_a_reference_never_changes(get, units):
    model = make(units)
    fit(model)
    held = keras.tree.flatten(get(model))
    copies = [np.array(a) for a in held]
    fit(model)
    model.train_on_batch(X, Y)
    for array, copy in zip(held, copies, strict=True):
        np.testing.assert_array_equal(array, copy)
    assert all(
        (a != b).any() for a, b in zip(copies, keras.tree.flatten(get(model)), strict=True) if np.size(a) > 1
    )


def test_values_are_read_only_and_copies_are_not():
    kernel = make().layers[0].kernel
    with pytest.raises(TypeError, match="cannot be changed in place"):
        kernel.value[...] = 0
    with pytest.raises(ValueError, match="read-only"):
        np.asarray(kernel.value)[...] = 0
    kernel.numpy()[...] = 0
    given = np.ones(kernel.shape, "float32")
    kernel.assign(given)
    given[...] = 7
    np.testing.assert_array_equal(kernel.numpy(), 1)


def test_assignments_in_callbacks_count_from_the_next_step():
    model = make(optimizer="sgd")
    seen = []

    class Reset(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            self.model.layers[0].kernel.assign(np.zeros((4, 8)))
            self.model.optimizer.learning_rate = 0.0 if batch else 0.1

        def on_train_batch_end(self, batch, logs=None):
            seen.append(self.model.layers[0].kernel.numpy())

    fit(model, callbacks=[Reset()])
    assert np.abs(seen[0]).max() > 0
    for kernel in seen[1:]:
        np.testing.assert_array_equal(kernel, 0)
    weights = [w + 1 for w in model.get_weights()]
    model.set_weights(weights)
    fit(model)
    for a, b in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_program_is_bound_once(monkeypatch):
    """What is assigned between steps (metrics that begin anew, a learning rate) goes into buffers that are there."""
    from kerasflow_numpy.run import program

    bound = []
    bind = program.Context.bind
    monkeypatch.setattr(program.Context, "bind", lambda *args: (bound.append(args), bind(*args))[1])
    model = make()
    x, y = X[:8], Y[:8]
    model.train_on_batch(x, y)
    model.train_on_batch(x, y)
    bound.clear()
    for step in range(5):
        model.optimizer.learning_rate = 0.1 / (step + 1)
        model.train_on_batch(x, y)
        assert float(model.optimizer.learning_rate) == np.float32(0.1 / (step + 1))
        assert int(model.optimizer.iterations.numpy()) == step + 3
    assert not bound


def test_assigned_contents_are_the_variable_s_own():
    """In the buffer that programs use, or in another one: neither the array nor what was read before is tied to it."""
    for size in (3, 5000):
        v = keras.Variable(np.zeros(size, "float32"))
        step = kerasflow.jit(lambda x, v=v: v.assign_add(x) * 1)
        one = np.ones(size, "float32")
        step(one)
        read, given = v.value, np.full(size, 5, "float32")
        v.assign(given)
        step(one)
        again, given[:] = v.value, 9
        v.assign(one)
        step(one)
        assert (read == 1).all() and (again == 6).all() and (v.numpy() == 2).all() and (one == 1).all()


def test_two_models_in_turn_are_two_models_alone():
    def alone(seed):
        model = make(seed=seed)
        losses = [model.train_on_batch(X, Y) for _ in range(5)]
        return losses, model.get_weights()

    expected = [alone(1), alone(2)]
    models = [make(seed=1), make(seed=2)]
    losses = [[], []]
    for _ in range(5):
        for model, record in zip(models, losses, strict=True):
            record.append(model.train_on_batch(X, Y))
    for model, record, (expected_losses, weights) in zip(models, losses, expected, strict=True):
        assert record == expected_losses
        for a, b in zip(model.get_weights(), weights, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("units", [8, 300])
def test_models_that_share_layers_share_their_weights(units):
    shared = layers.Dense(units, name="shared")
    inputs = keras.Input((4,))
    models = [keras.Model(inputs, layers.Dense(1)(shared(inputs))) for _ in range(2)]
    for model in models:
        model.compile("adam", "mse")
    for _ in range(2):
        for model, other in (models, models[::-1]):
            before, head = shared.kernel.numpy(), other.layers[-1].kernel.numpy()
            fit(model)
            assert (shared.kernel.numpy() != before).any()
            np.testing.assert_array_equal(other.layers[-1].kernel.numpy(), head)
            np.testing.assert_allclose(
                other.predict(X, verbose=0), (X @ shared.kernel + shared.bias) @ head + other.layers[-1].bias,
                rtol=1e-3, atol=1e-5,
            )  # fmt: skip


def test_variables_assigned_in_one_branch_only():
    class Counter(layers.Layer):
        def build(self, shape):
            self.even = self.add_weight(name="even", shape=(), initializer="zeros", trainable=False)
            self.odd = self.add_weight(name="odd", shape=(), initializer="zeros", trainable=False)
            self.calls = self.add_weight(
                name="calls", shape=(), initializer="zeros", trainable=False, dtype="int32"
            )

        def call(self, x):
            ops.cond(
                self.calls % 2 == 0,
                lambda: self.even.assign_add(ops.sum(x)),
                lambda: self.odd.assign(self.odd + 1 + self.even),
            )
            x = x + 0 * self.odd
            self.calls.assign_add(1)
            return x

    for eagerly in (False, True):
        layer = Counter()
        model = keras.Sequential([layers.Input((1,)), layer])
        model.compile(run_eagerly=eagerly)
        for _ in range(3):
            model.predict_on_batch(np.full((2, 1), 5.0, "float32"))
        assert [float(v.numpy()) for v in (layer.even, layer.odd, layer.calls)] == [20.0, 11.0, 3.0]


def test_a_failed_step_leaves_the_model_usable():
    embedding = [layers.Input((3,), dtype="int32"), layers.Embedding(5, 4)]
    model = keras.Sequential([*embedding, layers.Flatten(), layers.Dense(1)])
    model.compile("adam", "mse")
    good, labels = np.zeros((4, 3), "int32"), np.ones((4, 1), "float32")
    model.train_on_batch(good, labels)
    calls = []

    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            calls.append(batch)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        model.fit(good, labels, verbose=0, callbacks=[Stop()])
    with pytest.raises(ValueError, match="incompatible"):
        model.train_on_batch(np.zeros((4, 7), "int32"), labels)
    before = model.get_weights()
    losses = [float(model.train_on_batch(good, labels)) for _ in range(50)]
    assert losses[-1] < losses[0]
    assert (before[0] != model.get_weights()[0]).any()
    assert calls == [0]


@pytest.mark.parametrize("units", [8, 300])
def test_a_program_that_fails_gives_its_state_back(units):
    model, twin = make(units), make(units)
    fit(model, shuffle=False)
    fit(twin, shuffle=False)
    entry = next(iter(model.train_function.step.compiled.entries.values()))
    program = entry.program

    def fails(state, inputs):
        raise MemoryError

    entry.program = fails
    with pytest.raises(MemoryError):
        fit(model)
    entry.program = program
    assert fit(model, shuffle=False) == fit(twin, shuffle=False)
    for a, b in zip(model.get_weights(), twin.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


PROGRAM = """
    import hashlib, json
    import kerasflow
    import keras
    import numpy as np
    from keras import layers

    keras.utils.set_random_seed(7)
    x = np.random.rand(64, 20).astype("float32")
    y = np.random.randint(0, 3, 64)
    inputs = keras.Input((20,))
    h = layers.Dropout(0.2)(layers.Dense(200, activation="relu")(inputs))
    h = layers.BatchNormalization()(layers.Dense(200, activation="gelu")(h)) + h
    model = keras.Model(inputs, layers.Dense(3, activation="softmax")(layers.GaussianNoise(0.1)(h)))
    model.compile(keras.optimizers.AdamW(clipnorm=1.0), "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(x, y, epochs=3, verbose=0, validation_split=0.25).history
    digest = hashlib.sha256(b"".join(w.tobytes() for w in model.get_weights())).hexdigest()
    print(json.dumps([digest, {k: [float.hex(v) for v in vs] for k, vs in history.items()}]))
"""


def test_one_seed_one_result_in_every_process():
    found = []
    for hash_seed in ("1", "2"):
        finished = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(PROGRAM)],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert finished.returncode == 0, finished.stderr
        found.append(json.loads(finished.stdout.splitlines()[-1]))
    assert found[0] == found[1]


def test_one_seed_one_result_in_one_process():
    def run():
        model = make(units=300, seed=4)
        return fit(model, epochs=3), model.get_weights()

    (history, weights), (other_history, other_weights) = run(), run()
    assert history == other_history
    for a, b in zip(weights, other_weights, strict=True):
        np.testing.assert_array_equal(a, b)


def test_seed_generators_go_on():
    generator = keras.random.SeedGenerator(3)
    draw = kerasflow.jit(lambda: keras.random.uniform((4,), seed=generator))
    first, second = draw(), draw()
    assert (first != second).any()
    other = keras.random.SeedGenerator(3)
    for expected in (first, second):
        np.testing.assert_array_equal(keras.random.uniform((4,), seed=other), expected)
