"""Models that take text, of every kind, each with data for it."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops

tf: Any = pytest.importorskip("tensorflow")

rng = np.random.default_rng(0)
WORDS = np.array("red green blue dark light sky sea tree".split())
N = 40
TEXT = np.array([[" ".join(rng.choice(WORDS, rng.integers(1, 7)))] for _ in range(N)])
COLOR, SIZE = rng.choice(WORDS[:5], (N, 1)), rng.choice(["s", "m", "l"], (N, 1))
IDS, NUMBERS = rng.integers(0, 9, (N, 1)), rng.normal(size=(N, 2))
Y = rng.normal(size=(N, 1))


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
