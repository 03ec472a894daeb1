"""Layers that do not learn: nothing of them changes, nor does the optimizer keep anything for them, on any backend.

The same stages of a transfer are compared with stock Keras in `tests/keras` (the cases `transfer/…`).
"""

from __future__ import annotations

import kerasflow  # isort: skip  (before Keras)
import keras
import numpy as np
import pytest
from graphs import installed_backends
from keras import layers

RNG = np.random.default_rng(5)
X = (RNG.normal(size=(32, 6)) * 2 + 1).astype("float32")
Y = RNG.integers(0, 3, 32)


@pytest.fixture(params=installed_backends())
def backend(request):
    with kerasflow.use_backend(request.param):
        yield request.param


def make():
    """A base in a base, under a head."""
    keras.utils.set_random_seed(0)
    parts = [layers.Dense(8, use_bias=False), layers.BatchNormalization()]
    inner = keras.Sequential([layers.Input((6,)), *parts], name="inner")
    base = keras.Sequential([layers.Input((6,)), inner, layers.Dense(4, activation="tanh")], name="base")
    model = keras.Sequential([layers.Input((6,)), base, layers.Dense(3, activation="softmax")])
    return base, model


def fit(model):
    model.fit(X, Y, batch_size=16, verbose=0)


def compile(model):
    model.compile("adam", "sparse_categorical_crossentropy")


def changed(model):
    """Which of the weights an epoch changes."""
    before = [w.numpy() for w in model.weights]
    fit(model)
    after = [w.numpy() for w in model.weights]
    return [not np.array_equal(a, b) for a, b in zip(before, after, strict=True)]


@pytest.mark.usefixtures("backend")
def test_what_is_frozen_stays_as_it_is_to_the_bit():
    base, model = make()
    base.trainable = False
    compile(model)
    assert changed(model) == [False] * len(base.weights) + [True, True]
    # A moment and a velocity of the head's kernel and bias, the steps, the rate.
    assert len(model.optimizer.variables) == 2 * 2 + 2

    base.trainable = True
    compile(model)
    assert all(changed(model))
    assert len(model.optimizer.variables) == 2 * len(model.trainable_variables) + 2


@pytest.mark.usefixtures("backend")
def test_a_change_counts_from_the_next_compile_on():
    base, model = make()
    compile(model)
    fit(model)
    base.get_layer("inner").trainable = False
    assert all(changed(model))
    compile(model)
    assert changed(model) == [not any(w is v for v in base.get_layer("inner").weights) for w in model.weights]


@pytest.mark.usefixtures("backend")
def test_a_frozen_normalization_normalizes_by_what_it_has_seen():
    base, model = make()
    compile(model)
    fit(model)
    losses = []
    for trainable in (True, False):
        base.trainable = trainable
        compile(model)
        at_rest = model.test_on_batch(X, Y)
        losses.append((model.train_on_batch(X, Y), at_rest))  # a step's loss is that of the weights before it
    free, frozen = losses
    assert abs(free[0] / free[1] - 1) > 1e-2
    assert frozen[0] == pytest.approx(frozen[1], rel=1e-5)


def test_the_program_computes_no_gradients_for_frozen_layers():
    base, model = make()
    base.trainable = False
    compile(model)
    fit(model)
    (entry,) = model.train_function.step.compiled.entries.values()
    frozen = {id(w._cell) for w in base.weights}
    touched = [writes for cell, writes in zip(entry.cells, entry.writes, strict=True) if id(cell) in frozen]
    assert touched == [False] * len(base.weights)
    free = make()[1]
    compile(free)
    fit(free)
    (whole,) = free.train_function.step.compiled.entries.values()
    products = [sum(node.primitive.name == "matmul" for node in e.graph.nodes) for e in (entry, whole)]
    # Forward 3; backward the head's kernel alone, or three kernels and what comes to two layers.
    assert products == [4, 8]
