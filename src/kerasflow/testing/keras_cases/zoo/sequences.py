"""Networks for sequences: a recurrent tagger, a recurrent encoder and decoder, a transformer encoder."""

from typing import Any

import keras
import numpy as np

from . import data
from .task import Task, accuracy

L = keras.layers


def lstm_tagger(exact: bool = False) -> Task:
    """A bidirectional LSTM that says what class each word of a sentence belongs to; sentences are padded and masked."""
    model = keras.Sequential(
        [
            L.Input((16,), dtype="int32"),
            L.Embedding(data.VOCABULARY, 16, mask_zero=True),
            L.Bidirectional(L.LSTM(16, return_sequences=True)),
            L.Dense(len(data.WORDS), activation="softmax"),
        ]
    )
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy", jit_compile=False)
    words, tags = data.sentences(1280, 1)
    x_test, y_test = data.sentences(300, 2)
    score, _ = accuracy(x_test, y_test, x_test > 0)
    return Task(
        model, (words, tags), score, pass_mark=0.97, blind=_by_word(words, tags, x_test, y_test), epochs=6
    )


def _by_word(words: Any, tags: Any, x_test: Any, y_test: Any) -> float:
    """The score of the best tagger that looks at each word alone."""
    table = np.zeros((data.VOCABULARY, len(data.WORDS)), int)
    np.add.at(table, (words, tags), 1)
    return float((table.argmax(-1)[x_test] == y_test)[x_test > 0].mean())


def gru_encoder_decoder(exact: bool = False) -> Task:
    """A GRU reads a sequence; another begins in its last state and writes it backwards (Cho et al. 2014)."""
    source, written = keras.Input((5,), dtype="int32"), keras.Input((5,), dtype="int32")
    _, state = L.GRU(48, return_state=True)(L.Embedding(9, 16)(source))
    x = L.GRU(48, return_sequences=True)(L.Embedding(9, 16)(written), initial_state=state)
    model = keras.Model([source, written], L.Dense(9, activation="softmax")(x))
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy", jit_compile=False)
    x_test, y_test = data.reversals(300, 2)
    score, blind = accuracy(x_test, y_test)
    return Task(model, data.reversals(2560, 1), score, pass_mark=0.9, blind=blind, epochs=8, batch_size=64)


@keras.saving.register_keras_serializable("zoo")
class Positions(keras.layers.Layer):
    """Adds a learned vector for each place of a sequence."""

    supports_masking = True

    def build(self, shape: Any) -> None:
        self.table = self.add_weight(shape=shape[1:], initializer="uniform", name="table")

    def call(self, x: Any) -> Any:
        return x + self.table


def transformer_encoder(exact: bool = False) -> Task:
    """Two blocks of attention and perceptron (Vaswani et al. 2017), that count how often each symbol occurs."""
    rate = 0.0 if exact else 0.05
    tokens = keras.Input((12,), dtype="int32")
    x = L.Embedding(7, 32, mask_zero=True)(tokens)
    x = Positions()(x)
    for _ in range(2):
        h = L.LayerNormalization()(x)
        x = L.Add()([x, L.MultiHeadAttention(4, 8, dropout=rate)(h, h)])
        h = L.Dense(64, activation="gelu")(L.LayerNormalization()(x))
        x = L.Add()([x, L.Dropout(rate)(L.Dense(32)(h))])
    model = keras.Model(tokens, L.Dense(13, activation="softmax")(L.LayerNormalization()(x)))
    optimizer = keras.optimizers.AdamW(3e-3, weight_decay=1e-3, clipnorm=1.0)
    model.compile(optimizer, "sparse_categorical_crossentropy", jit_compile=False)
    x_test, y_test = data.counted(300, 2)
    score, blind = accuracy(x_test, y_test, x_test > 0)
    return Task(model, data.counted(2560, 1), score, pass_mark=0.8, blind=blind, epochs=8)
