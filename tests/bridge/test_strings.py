"""Models that take text train as on the numbers that their layers make of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import kerasflow  # isort: skip  (before Keras)
import keras
import numpy as np
import pytest
from keras import layers

from kerasflow.errors import ExportError

TEXT = np.array([["a b"], ["c d"], ["a"], ["d c b"]] * 5)
Y = np.arange(20.0)[:, None] / 20


def vectorization() -> Any:
    layer = layers.TextVectorization(max_tokens=20, output_sequence_length=5)
    layer.adapt(TEXT[:, 0])
    return layer


def network() -> list[Any]:
    """The same weights and draws whenever it is built."""
    keras.utils.set_random_seed(0)
    glorot, square = keras.initializers.GlorotUniform(seed=1), keras.initializers.Orthogonal(seed=2)
    return [
        layers.Embedding(20, 4, mask_zero=True, embeddings_initializer=glorot),
        layers.GRU(4, kernel_initializer=glorot, recurrent_initializer=square),
        layers.Dropout(0.5, seed=3),
        layers.Dense(1, kernel_initializer=glorot),
    ]


def history(model: Any, x: Any) -> dict[str, list[float]]:
    keras.utils.set_random_seed(0)
    model.compile("adam", "mse", metrics=["mae"])
    return model.fit(x, Y, validation_data=(x, Y), batch_size=8, epochs=2, verbose=0).history


class Own(keras.Model):
    """A model that is no Sequential: of layers that it has, on what a function makes of its inputs."""

    def __init__(self, encode: Any) -> None:
        super().__init__()
        self.encode = encode
        self.parts = network()

    def call(self, x: Any) -> Any:
        x = self.encode(x)
        for layer in self.parts:
            x = layer(x)
        return x


def test_trains_as_on_numbers() -> None:
    encode = vectorization()
    numbers = np.asarray(encode(TEXT))
    expected = history(keras.Sequential([keras.Input((5,), dtype="int64"), *network()]), numbers)
    assert expected["loss"][0] != expected["loss"][1]
    known = keras.Sequential([keras.Input((1,), dtype="string"), encode, *network()])
    for model in (known, keras.Sequential([encode, *network()])):
        assert history(model, TEXT) == expected
    for kind in (object, bytes):
        np.testing.assert_array_equal(
            known.predict(TEXT.astype(kind), verbose=0), known.predict(TEXT, verbose=0)
        )
    np.testing.assert_array_equal(known(TEXT), known.predict(TEXT, verbose=0))


def test_in_a_model_of_ones_own() -> None:
    """Also where the model does not know of the layer: what it is given is text."""
    encode = vectorization()
    expected = history(Own(lambda x: x), np.asarray(encode(TEXT)))
    for model in (Own(encode), Own(lambda x: encode(x))):
        assert history(model, TEXT) == expected


def test_on_another_backend_and_from_a_file(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((1,), dtype="string"), vectorization(), *network()])
    with kerasflow.use_backend("pytensor"):
        trained = history(model, TEXT)
    again = keras.Sequential([keras.Input((1,), dtype="string"), vectorization(), *network()])
    assert history(again, TEXT) == trained
    model.save(tmp_path / "text.keras")
    loaded = keras.saving.load_model(tmp_path / "text.keras")
    np.testing.assert_array_equal(loaded.predict(TEXT, verbose=0), model.predict(TEXT, verbose=0))


def test_text_beside_numbers() -> None:
    text, numbers = keras.Input((1,), dtype="string"), keras.Input((2,))
    found = layers.StringLookup(vocabulary=["a b", "c d"], output_mode="one_hot")(text)
    hashed = layers.Hashing(4, output_mode="one_hot")(text)
    model = keras.Model([text, numbers], layers.Dense(1)(layers.Concatenate()([found, hashed, numbers])))
    model.compile(keras.optimizers.SGD(0.1), "mse")
    losses = model.fit([TEXT, np.ones((20, 2))], Y, epochs=3, verbose=0).history["loss"]
    assert losses[2] < losses[0]


def test_other_forms_of_files_have_no_lookup(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((1,), dtype="string"), vectorization(), *network()])
    model.compile("adam", "mse")
    refused = pytest.raises(
        ExportError, match=r"text_vectorization\S* .*cannot be compiled.*to the data before"
    )
    with refused:
        model.export(tmp_path / "text.onnx", format="onnx")
    with refused:
        model.export(tmp_path / "text")
    assert not list(tmp_path.iterdir())


def test_no_numbers_become_text_and_no_text_numbers() -> None:
    assert keras.ops.convert_to_tensor(np.array([1, 2]), "string").tolist() == ["1", "2"]
    with pytest.raises(ValueError, match="Invalid dtype: str"):
        keras.ops.convert_to_tensor(TEXT, "float32")
