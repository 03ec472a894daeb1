"""Layers, models and operations in TensorFlow's graphs: in `Dataset.map`, in a `tf.function`."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import kerasflow  # noqa: F401  # isort: skip  (before Keras)
import keras
import numpy as np
import pytest
from keras import layers

from kerasflow.errors import KerasflowError

tf: Any = pytest.importorskip("tensorflow")

IMAGES = np.random.default_rng(0).uniform(0, 255, (6, 8, 8, 3)).astype("float32")
TEXT = np.array([["A b!"], ["c D"], ["a"], ["d c b"]])


def mapped(function: Any, data: Any, batch: int = 2) -> Any:
    """What `Dataset.map` makes of the data, as arrays."""
    data = tf.data.Dataset.from_tensor_slices(data).batch(batch).map(function, num_parallel_calls=2)
    return next(iter(data.unbatch().batch(len(IMAGES)).as_numpy_iterator()))


def image(*parts: Any) -> Any:
    return keras.Sequential([keras.Input((8, 8, 3)), *parts])


def functional() -> Any:
    text, numbers = keras.Input((1,), dtype="string", name="text"), keras.Input((2,), name="numbers")
    found = layers.StringLookup(vocabulary=["a", "b"])(text)
    scaled = layers.Normalization(mean=[1.0, 2.0], variance=[4.0, 9.0])(numbers)
    return keras.Model({"text": text, "numbers": numbers}, {"found": found, "scaled": scaled / 2.0})


class Own(keras.Model):
    """Layers of the preprocessing kind, others, and operations."""

    def __init__(self) -> None:
        super().__init__()
        self.scale, self.dense = layers.Rescaling(1 / 255.0), layers.Dense(2)

    def call(self, x: Any) -> Any:
        x = keras.ops.reshape(self.scale(x), (keras.ops.shape(x)[0], 192))
        return keras.ops.softmax(self.dense(x))


@pytest.mark.parametrize(
    "make",
    [
        lambda: keras.Sequential([layers.Rescaling(1 / 255.0), layers.Resizing(4, 4)]),
        lambda: image(
            layers.CenterCrop(4, 4), keras.Sequential([layers.Rescaling(2.0), layers.Resizing(3, 3)])
        ),
        lambda: image(layers.Conv2D(2, 3), layers.BatchNormalization(), layers.Flatten(), layers.Dense(2)),
        lambda: image(layers.Reshape((8, 24)), layers.Bidirectional(layers.LSTM(3)), layers.Dropout(0.5)),
        lambda: layers.Lambda(lambda x: keras.ops.mean(x, axis=-1) + 1),
        Own,
    ],
)
def test_the_same_as_on_arrays(make: Callable[[], Any]) -> None:
    model = make()
    first = mapped(model, IMAGES)  # which builds it
    np.testing.assert_allclose(first, np.asarray(model(IMAGES)), rtol=1e-4, atol=1e-4)


def test_several_inputs_and_outputs() -> None:
    model = functional()
    data = {"text": np.array([["b"], ["a"], ["?"]]), "numbers": np.arange(6.0, dtype="float32").reshape(3, 2)}
    here, there = model(data), mapped(model, data)
    for name in here:
        np.testing.assert_allclose(there[name], np.asarray(here[name]), rtol=1e-6)
    there = mapped(
        lambda x: (model(x)["scaled"], keras.ops.one_hot(keras.ops.cast(x["numbers"], "int32"), 3)), data
    )
    assert there[1].shape == (3, 2, 3)
    np.testing.assert_allclose(there[0], np.asarray(here["scaled"]), rtol=1e-6)


def test_augmentation_draws_anew_for_each_batch() -> None:
    augment = keras.Sequential([layers.RandomFlip(seed=1), layers.RandomRotation(0.2, seed=2)])
    same = np.broadcast_to(IMAGES[:1], IMAGES.shape)
    changed = mapped(lambda x: augment(x, training=True), same)
    assert len(np.unique(changed.reshape(len(changed), -1), axis=0)) > len(IMAGES) // 2
    np.testing.assert_array_equal(mapped(lambda x: augment(x, training=False), same), same)


def test_weights_are_read_when_the_graph_runs() -> None:
    dense = layers.Dense(2, dtype="mixed_bfloat16")
    data = tf.data.Dataset.from_tensor_slices(IMAGES[:, 0, :, 0]).batch(6).map(dense)
    before = next(iter(data)).numpy()
    dense.kernel.assign(dense.kernel * 2)
    np.testing.assert_array_equal(next(iter(data)).numpy(), before * 2)
    assert before.dtype == "bfloat16"


class Noise(layers.Layer):
    def call(self, x: Any) -> Any:
        return x + keras.random.normal((8,))


def test_what_would_be_assigned_once_says_so() -> None:
    for layer in (layers.Dropout(0.5), layers.BatchNormalization(), Noise()):
        with pytest.raises(KerasflowError, match="was assigned while TensorFlow records") as caught:
            mapped(lambda x, layer=layer: layer(x, training=True), IMAGES)
        assert "test_symbolic.py" in str(caught.value)


def test_what_tensorflow_does_not_have_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    square = IMAGES[..., 0]
    expected = np.linalg.det(square)
    np.testing.assert_allclose(mapped(keras.ops.det, square), expected, rtol=1e-3)
    monkeypatch.delattr(importlib.import_module("keras.src.backend.tensorflow.linalg"), "det")
    with pytest.raises(KerasflowError, match="`det` is not available in a graph of TensorFlow's"):
        mapped(keras.ops.det, square)


def lowered(text: Any) -> Any:
    """For NumPy's text and for text one by one, not for a tensor without contents."""
    return np.array([str(x).lower().strip("!") for x in text.reshape(-1)]).reshape(text.shape)


@pytest.mark.parametrize(
    "standardize", [lambda x: tf.strings.regex_replace(tf.strings.lower(x), "!", ""), lowered]
)
def test_standardize_of_ones_own(standardize: Callable[[Any], Any]) -> None:
    layer = layers.TextVectorization(max_tokens=9, output_sequence_length=3, standardize=standardize)
    layer.adapt(TEXT[:, 0])
    here = np.asarray(layer(TEXT))
    assert here.tolist() == [[5, 4, 0], [3, 2, 0], [5, 0, 0], [2, 3, 4]]
    model = keras.Sequential([keras.Input((1,), dtype="string"), layer])
    np.testing.assert_array_equal(model.predict(TEXT, verbose=0), here)
    for function, data in (
        (layer, TEXT[:, 0]),
        (layer, TEXT),
        (model, TEXT),
        (keras.Sequential([layer]), TEXT),
    ):
        np.testing.assert_array_equal(mapped(function, data), here)


def test_faults_of_standardize_are_told() -> None:
    def faulty(text: Any) -> Any:
        raise ValueError("a fault of its own")

    layer = layers.TextVectorization(vocabulary=["a"], output_sequence_length=3, standardize=faulty)
    with pytest.raises(tf.errors.InvalidArgumentError, match="a fault of its own"):
        mapped(layer, TEXT)


def test_in_a_function_of_tensorflow() -> None:
    model = image(layers.Flatten(), layers.Dense(1))
    predict = tf.function(lambda x: model(x))
    np.testing.assert_allclose(predict(IMAGES), model(IMAGES), rtol=1e-5)
