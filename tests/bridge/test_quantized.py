"""Quantized layers: what packing into narrow integers needs of the backend."""

from __future__ import annotations

import kerasflow  # isort: skip  (before Keras)
import keras
import numpy as np
import pytest


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("narrow", ["int8", "uint8", "int16", "uint16"])
def test_floats_out_of_range_become_the_nearest_integer(dtype: str, narrow: str) -> None:
    """As with JAX; what NumPy does depends on the processor. GPTQ's negative zero points are one case."""
    bounds = np.iinfo(narrow)
    x = keras.ops.cast(np.array([-1e4, -1.0, -0.3, 7.6, 300.0, 60000.0]), dtype)
    expected = np.clip(np.trunc(np.asarray(x, "float64")), bounds.min, bounds.max)

    def cast(x: np.ndarray) -> np.ndarray:
        return keras.ops.cast(x, narrow)

    for function in (cast, kerasflow.jit(cast)):
        result = function(x)
        assert result.dtype == narrow
        np.testing.assert_array_equal(result, expected)


def test_an_embedding_of_int4_trains_with_lora() -> None:
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.layers.Embedding(10, 8), keras.layers.Flatten(), keras.layers.Dense(1)])
    x = np.arange(10)[:, None]
    model.build((None, 1))
    embedding = model.layers[0]
    embedding.quantize("int4")
    embedding.enable_lora(4)
    model.compile("sgd", "mse")
    before = [np.array(v) for v in (embedding.lora_embeddings_a, embedding.lora_embeddings_b)]
    history = model.fit(x, np.sin(x), epochs=3, verbose=0).history["loss"]
    assert history[-1] < history[0]
    assert not np.array_equal(before[1], embedding.lora_embeddings_b)
