"""What of Keras needs no framework, where there is none: `kerasflow[data]` and nothing else.

Each line is called, and gives what it should. To be run in an empty folder.
"""

import importlib.util
import os
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kerasflow  # isort: skip
import keras
import numpy as np
from keras import layers as L
from PIL import Image

assert not [name for name in ("tensorflow", "torch", "jax", "pytensor") if importlib.util.find_spec(name)]
print(f"Keras {keras.__version__} on {kerasflow.backend()}")

random = np.random.default_rng(0)
for name in ("no", "yes"):
    for folder in ("images", "texts", "sounds"):
        os.makedirs(f"{folder}/{name}")
    for i in range(4):
        Image.fromarray(random.integers(0, 255, (16, 16, 3), np.uint8)).save(f"images/{name}/{i}.png")
        Path(f"texts/{name}/{i}.txt").write_text(f"{name} {i}")
        with wave.open(f"sounds/{name}/{i}.wav", "wb") as sound:
            sound.setparams((1, 2, 8000, 0, "NONE", ""))
            sound.writeframes(random.integers(-99, 99, 80, np.int16).tobytes())

texts = np.array(["a good film", "a bad one", "good", ""])
adapted = L.TextVectorization(output_sequence_length=4)
adapted.adapt(texts)
features = keras.utils.FeatureSpace(
    {
        "age": "float_normalized",
        "job": "string_categorical",
        "pay": keras.utils.FeatureSpace.integer_hashed(4),
    },
    output_mode="concat",
)
table = {"age": np.array([1.0, 3.0]), "job": np.array(["a", "b"]), "pay": np.array([1, 2])}


def shape(x: Any) -> tuple[int, ...]:
    return tuple(np.shape(x))


def first(dataset: Any) -> tuple[int, ...]:
    batch = next(iter(dataset))
    return shape(batch[0] if isinstance(batch, tuple) else batch)


def trained() -> bool:
    model = keras.Sequential(
        [keras.Input((), dtype="string"), adapted, L.Embedding(9, 4), L.Flatten(), L.Dense(1)]
    )
    model.compile("adam", "mse")
    model.fit(texts, np.arange(4.0), verbose=0)
    model.save("text.keras")
    same = keras.saving.load_model("text.keras").predict(texts, verbose=0)
    return bool(np.array_equal(same, model.predict(texts, verbose=0)))


def mapped() -> tuple[int, ...]:
    features.adapt(table)
    return shape(features(table))


U = keras.utils
CALLS: dict[str, tuple[Callable[[], Any], Any]] = {
    "StringLookup": (lambda: list(L.StringLookup(vocabulary=["a", "b"])(np.array(["a", "c"]))), [1, 0]),
    "IntegerLookup": (lambda: list(L.IntegerLookup(vocabulary=[1, 2])(np.array([1, 3]))), [1, 0]),
    "TextVectorization": (lambda: list(np.asarray(adapted(texts))[0]), [3, 2, 5, 0]),
    "Hashing": (lambda: list(np.asarray(L.Hashing(3)(np.array(["A", "B", "C", "D", "E"])))), [1, 0, 1, 1, 2]),
    "HashedCrossing": (
        lambda: list(np.asarray(L.HashedCrossing(5)((np.array(["A", "B"]), np.array([101, 101]))))),
        [1, 4],
    ),
    "FeatureSpace": (mapped, (2, 1 + 3 + 4)),
    "a model of strings, saved": (trained, True),
    "split_dataset": (lambda: [len(list(d)) for d in U.split_dataset(np.arange(10), left_size=0.3)], [3, 7]),
    "timeseries": (lambda: first(U.timeseries_dataset_from_array(np.arange(99), None, 10)), (90, 10)),
    "images": (lambda: first(U.image_dataset_from_directory("images", image_size=(8, 8))), (8, 8, 8, 3)),
    "texts": (lambda: first(U.text_dataset_from_directory("texts")), (8,)),
    "sounds": (lambda: first(U.audio_dataset_from_directory("sounds")), (8, 80, 1)),
}
wrong = 0
for name, (call, expected) in CALLS.items():
    try:
        found = call()
    except Exception as error:
        found = f"{type(error).__name__}: {error}"
    good = found == expected
    wrong += not good
    print(f"{name:28} {'OK' if good else f'FAIL {found!r}, expected {expected!r}'}")
raise SystemExit(wrong)
