"""A variable has the dtype that it was made with, whatever its initializer gives."""

from __future__ import annotations

import math
from typing import Any

import kerasflow  # noqa: F401  # isort: skip  (before Keras)
import keras
import numpy as np
import pytest

GIVEN: dict[str, Any] = {
    "a float": math.log(1 / 0.07),
    "an integer": 2,
    "an array of float64": np.array(2.5),
    "a tensor of another dtype": np.array(2.5, np.float32),
}


@pytest.mark.parametrize("given", GIVEN)
@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32", "float64", "int32"])
def test_what_an_initializer_gives_is_cast(dtype: str, given: str) -> None:
    def initializer(*_: Any, **__: Any) -> Any:
        value = GIVEN[given]
        return keras.ops.convert_to_tensor(value) if given.startswith("a tensor") else value

    variable = keras.Variable(initializer, shape=(), dtype=dtype)
    assert keras.backend.standardize_dtype(variable.value.dtype) == variable.dtype == dtype
    expected = np.asarray(GIVEN[given]).astype(variable.value.dtype)
    assert np.asarray(variable.value) == expected


def test_a_layer_in_half_precision_stays_in_it() -> None:
    class Scaled(keras.layers.Layer):
        def build(self, _: Any) -> None:
            self.scale = self.add_weight(
                shape=(), initializer=lambda *_, **__: GIVEN["a float"], name="scale"
            )

        def call(self, x: Any) -> Any:
            return x * keras.ops.exp(self.scale)

    layer = Scaled(dtype="bfloat16")
    x = np.ones((2, 3), np.float32)
    assert keras.backend.standardize_dtype(layer(x).dtype) == "bfloat16"
    assert (
        keras.backend.standardize_dtype(keras.Sequential([layer]).predict(x, verbose=0).dtype) == "bfloat16"
    )
