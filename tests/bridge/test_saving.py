"""Models saved, loaded, cloned, pickled and copied."""

from __future__ import annotations

import copy
import pickle

import kerasflow  # noqa: F401  # isort: skip  (before Keras)
import keras
import numpy as np
import pytest
from keras import layers

X = np.random.default_rng(3).normal(size=(24, 3)).astype("float32")
Y = X.sum(1, keepdims=True)


@keras.saving.register_keras_serializable("tests")
class Tanh(layers.Layer):
    """A layer in plain NumPy."""

    def call(self, x):
        return np.tanh(x)


@pytest.fixture
def model():
    keras.utils.set_random_seed(0)
    parts = [layers.Dense(4), Tanh(), layers.BatchNormalization(), layers.Dense(1)]
    model = keras.Sequential([layers.Input((3,)), *parts])
    model.compile("adam", "mse", metrics=["mae"])
    model.fit(X, Y, verbose=0, epochs=2)
    return model


def through_file(model, folder):
    model.save(folder / "model.keras")
    return keras.models.load_model(folder / "model.keras")


WAYS = {
    "file": through_file,
    "pickle": lambda model, _: pickle.loads(pickle.dumps(model)),
    "deepcopy": lambda model, _: copy.deepcopy(model),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_copy_goes_on_as_the_original_does(model, way, tmp_path):
    other = WAYS[way](model, tmp_path)
    np.testing.assert_array_equal(other.predict(X, verbose=0), model.predict(X, verbose=0))
    histories = [m.fit(X, Y, verbose=0, shuffle=False, epochs=2).history for m in (model, other)]
    assert histories[0] == histories[1]
    for a, b in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    before = model.get_weights()
    other.fit(X, Y, verbose=0)
    for a, b in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_weights_alone(model, tmp_path):
    model.save_weights(tmp_path / "model.weights.h5")
    clone = keras.models.clone_model(model)
    assert not np.array_equal(clone.get_weights()[0], model.get_weights()[0])
    clone.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_array_equal(clone.predict(X, verbose=0), model.predict(X, verbose=0))


def test_a_file_with_a_wrong_model_is_refused(model, tmp_path):
    model.save_weights(tmp_path / "model.weights.h5")
    other = keras.Sequential([layers.Input((3,)), layers.Dense(7)])
    before = other.get_weights()
    with pytest.raises(ValueError, match=r"(?i)expected|shape|layer"):
        other.load_weights(tmp_path / "model.weights.h5")
    for a, b in zip(other.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_variables_are_copied_with_their_contents():
    variable = keras.Variable([1.0, 2.0])
    other = copy.deepcopy(variable)
    other.assign([3.0, 4.0])
    np.testing.assert_array_equal(variable.numpy(), [1.0, 2.0])
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(other)).numpy(), [3.0, 4.0])
