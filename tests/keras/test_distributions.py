"""What draws random numbers: distributions by their moments, masks by what they do, seeds by the same bits."""

from typing import Any

import keras
import numpy as np
import pytest

from kerasflow.testing.keras_cases.case import public_classes
from kerasflow.testing.keras_cases.layers import USES

I = keras.initializers  # noqa: E741
N, M = 400, 300
FAN_IN, FAN_OUT = float(N), float(M)
# For each initializer: its arguments, the standard deviation, and the largest magnitude that can occur.
RANDOM: dict[str, tuple[dict[str, Any], float, float]] = {
    "GlorotNormal": ({}, (2 / (FAN_IN + FAN_OUT)) ** 0.5, np.inf),
    "GlorotUniform": ({}, (2 / (FAN_IN + FAN_OUT)) ** 0.5, (6 / (FAN_IN + FAN_OUT)) ** 0.5),
    "HeNormal": ({}, (2 / FAN_IN) ** 0.5, np.inf),
    "HeUniform": ({}, (2 / FAN_IN) ** 0.5, (6 / FAN_IN) ** 0.5),
    "LecunNormal": ({}, (1 / FAN_IN) ** 0.5, np.inf),
    "LecunUniform": ({}, (1 / FAN_IN) ** 0.5, (3 / FAN_IN) ** 0.5),
    "Orthogonal": ({"gain": 2.0}, 2 / max(FAN_IN, FAN_OUT) ** 0.5, 2.0),
    "RandomNormal": ({"stddev": 0.3}, 0.3, np.inf),
    "RandomUniform": ({"minval": -0.3, "maxval": 0.3}, 0.3 / 3**0.5, 0.3),
    "TruncatedNormal": ({"stddev": 0.3}, 0.3 * 0.87962566, 0.6),
    "VarianceScaling": ({"scale": 3.0, "mode": "fan_avg"}, (6 / (FAN_IN + FAN_OUT)) ** 0.5, np.inf),
}
FIXED = {"Constant", "Identity", "Ones", "STFT", "Zeros"}


def test_every_initializer_is_here() -> None:
    abstract = {"RandomInitializer"}
    assert set(public_classes(I, I.Initializer)) - abstract == set(RANDOM) | FIXED


@pytest.mark.parametrize("name", RANDOM)
def test_initializer(name: str) -> None:
    kwargs, deviation, largest = RANDOM[name]
    make = getattr(I, name)
    x = np.asarray(make(seed=7, **kwargs)((N, M)))
    assert x.dtype == np.float32
    assert abs(x.mean()) < 5 * deviation / x.size**0.5
    assert abs(x.std() / deviation - 1) < 0.01
    assert np.abs(x).max() <= largest
    np.testing.assert_array_equal(x, make(seed=7, **kwargs)((N, M)))
    assert not np.array_equal(x, make(seed=8, **kwargs)((N, M)))
    if name == "Orthogonal":
        np.testing.assert_allclose(x.T @ x, 4 * np.eye(M), atol=1e-4)


def test_fixed_initializers() -> None:
    np.testing.assert_array_equal(I.Constant(2.5)((2, 3)), np.full((2, 3), 2.5, "float32"))
    np.testing.assert_array_equal(I.Identity(2.0)((3, 3)), 2 * np.eye(3, dtype="float32"))
    np.testing.assert_array_equal(I.Ones()((2,), dtype="float16"), np.ones(2, "float16"))
    np.testing.assert_array_equal(I.Zeros()((2,)), np.zeros(2, "float32"))


def training_output(layer: Any, x: np.ndarray) -> np.ndarray:
    """What the layer gives in a compiled training step, read back through a metric of nothing but the output."""
    inputs = keras.Input(x.shape[1:])
    model = keras.Model(inputs, layer(inputs))
    model.train_step = lambda data: {"y": model(data[0], training=True)}
    model.compile()
    return np.asarray(model.make_train_function()([(x,)])["y"])


ONES = {
    1: np.ones((50, 40, 30), "float32"),
    2: np.ones((20, 12, 10, 30), "float32"),
    3: np.ones((20, 4, 5, 6, 30), "float32"),
}


@pytest.mark.parametrize(
    ("name", "axes"),
    [
        ("Dropout", ()),
        ("SpatialDropout1D", (1,)),
        ("SpatialDropout2D", (1, 2)),
        ("SpatialDropout3D", (1, 2, 3)),
    ],
)
def test_dropout(name: str, axes: tuple[int, ...]) -> None:
    """A share of ones becomes zeros, whole maps at a time, and the others are scaled up."""
    x = ONES[max(len(axes), 1)]
    y = training_output(getattr(keras.layers, name)(0.3, seed=1), x)
    kept = 1 / (1 - np.float32(0.3))
    assert set(np.unique(y).round(5)) == {0.0, kept.round(5)}
    if axes:
        assert not np.ptp(y, axis=axes).any()
    maps = y[:, 0] if axes else y
    maps = maps.reshape(len(y), -1, 30)[:, 0] if axes else maps
    share, n = float((maps == 0).mean()), maps.size
    assert abs(share - 0.3) < 5 * (0.3 * 0.7 / n) ** 0.5


@pytest.mark.parametrize(
    ("name", "rate", "mean", "deviation"),
    [("GaussianNoise", 0.3, 1.0, 0.3), ("GaussianDropout", 0.3, 1.0, (0.3 / 0.7) ** 0.5)],
)
def test_noise(name: str, rate: float, mean: float, deviation: float) -> None:
    y = training_output(getattr(keras.layers, name)(rate, seed=1), ONES[1])
    assert abs(y.mean() - mean) < 5 * deviation / y.size**0.5
    assert abs(y.std() / deviation - 1) < 0.02


def test_alpha_dropout() -> None:
    """Mean and variance of normal values stay."""
    x = np.random.default_rng(0).standard_normal((50, 40, 30)).astype("float32")
    y = training_output(keras.layers.AlphaDropout(0.3, seed=1), x)
    assert abs(y.mean()) < 0.02
    assert abs(y.std() - 1) < 0.02
    dropped = np.unique(y, return_counts=True)[1].max()  # all of them have one value
    assert abs(dropped / y.size - 0.3) < 0.02


@pytest.mark.parametrize(
    "name", sorted(n for n, uses in USES.items() if any(u.random for u in uses.values()))
)
def test_seeds(name: str) -> None:
    """The same seed draws the same, steps draw different masks, and a gradient has the mask of its step."""
    use = USES[name][""]
    x = use.inputs
    layer = type(use.make())

    def steps(seed: int) -> list[np.ndarray]:
        made = layer(0.3, seed=seed)
        return [training_output(made, x) for _ in range(2)]

    first, again, other = steps(3), steps(3), steps(4)
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(*first)
    assert not np.array_equal(first[0], other[0])
