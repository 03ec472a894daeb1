"""einops on tracers: what is added to its module as it loads, on a stand-in that looks for a backend as einops does."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import keras
import numpy as np
import pytest

from kerasflow.bridge.adjust import ADJUSTED, adjustment

MODULE = "einops._backends"


class NumpyBackend:
    """Of einops 0.8: the functions that `rearrange` and `reduce` call."""

    framework_name = "numpy"

    def is_appropriate_type(self, tensor: Any) -> bool:
        return isinstance(tensor, np.ndarray)

    def reshape(self, x: Any, shape: Any) -> Any:
        return x.reshape(shape)

    def transpose(self, x: Any, axes: Any) -> Any:
        return x.transpose(axes)

    def reduce(self, x: Any, operation: str, axes: Any) -> Any:
        return getattr(x, operation)(axis=axes)

    def is_float_type(self, x: Any) -> bool:
        return x.dtype in ("float16", "float32", "float64", "float128", "bfloat16")


@pytest.fixture
def backends() -> list[Any]:
    """What einops asks, the stand-in's own and what the adjustment adds."""
    module = ModuleType(MODULE)
    module.NumpyBackend = NumpyBackend  # type: ignore[attr-defined]
    assert MODULE in ADJUSTED
    with adjustment(MODULE)(module):
        assert vars(module).keys() >= {"NumpyBackend"} and not hasattr(module, "TracerBackend")
    return [NumpyBackend(), *(kind() for kind in NumpyBackend.__subclasses__())]


def test_a_layer_of_einops_functions_trains(backends: list[Any]) -> None:
    asked = []

    class Patches(keras.layers.Layer):
        """`reduce(x, "b (h p) w c -> b h c", "mean", p=2)`, by the calls that it makes."""

        def call(self, x: Any) -> Any:
            (backend,) = [found for found in backends if found.is_appropriate_type(x)]
            asked.append(backend.framework_name)
            assert backend.is_float_type(x)
            x = backend.reshape(x, (-1, 2, 2, 3, 2))
            return backend.reduce(backend.transpose(x, (0, 1, 4, 2, 3)), "mean", (3, 4))

    x = np.random.default_rng(0).normal(size=(8, 4, 3, 2)).astype("float32")
    layer = Patches()
    np.testing.assert_allclose(layer(x), x.reshape(8, 2, 2, 3, 2).mean(axis=(2, 3)), rtol=1e-5, atol=1e-6)
    assert asked == ["numpy"]
    model = keras.Sequential([keras.Input((4, 3, 2)), layer, keras.layers.Flatten(), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    losses = model.fit(x, x.mean(axis=(1, 2, 3)), epochs=3, verbose=0).history["loss"]
    assert losses[-1] < losses[0] and set(asked[1:]) == {"kerasflow"}
