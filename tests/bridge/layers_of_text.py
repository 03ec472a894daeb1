"""What Keras's layers that look up and hash give for texts of many scripts: a program that runs on any Keras.

python layers_of_text.py stock FOLDER       stock Keras on TensorFlow
python layers_of_text.py without FOLDER     kerasflow, as where TensorFlow is not installed
"""

from __future__ import annotations

import inspect
import os
import pickle
import sys
from pathlib import Path
from typing import Any

RANGES = {
    "Latin": (0xC0, 0x24F),
    "Greek": (0x391, 0x3C9),
    "Cyrillic": (0x410, 0x44F),
    "Armenian": (0x531, 0x556),
    "Hebrew": (0x5D0, 0x5EA),
    "Arabic": (0x620, 0x64A),
    "Devanagari": (0x904, 0x94D),
    "Bengali": (0x985, 0x9B9),
    "Gurmukhi": (0xA05, 0xA39),
    "Tamil": (0xB85, 0xBCD),
    "Telugu": (0xC05, 0xC39),
    "Thai": (0xE01, 0xE3A),
    "Lao": (0xE81, 0xEBD),
    "Georgian": (0x10D0, 0x10FF),
    "Ethiopic": (0x1200, 0x1248),
    "Cherokee": (0x13A0, 0x13F4),
    "Khmer": (0x1780, 0x17B3),
    "Kana": (0x3041, 0x30FE),
    "Han": (0x4E00, 0x4E80),
    "Hangul": (0xAC00, 0xAC80),
    "emoji": (0x1F600, 0x1F64F),
}
BETWEEN = [
    "",
    " ",
    "  ",
    "\t",
    "\n",
    "\v",
    "\x1c",
    "\x85",
    "\u00a0",
    "\u2003",
    "\u3000",
    ". ",
    ", ",
    "!",
    "-",
    "“",
    "」",
]
MARKS = ["", "", "", "\u0301", "\u200d", "\u200f", "\ufeff", "İ", "ß", "Σ", "A", "Zz"]


def texts(n: int) -> list[str]:
    """Random texts, each of the next script and of few enough words that these come again."""
    import numpy as np

    rng = np.random.default_rng(0)
    words = {
        name: [
            "".join(map(chr, rng.integers(low, high, rng.integers(1, 7)))) + rng.choice(MARKS)
            for _ in range(30)
        ]
        for name, (low, high) in RANGES.items()
    }
    names = list(RANGES)
    return [
        "".join(
            word + between
            for word, between in zip(
                rng.choice(words[names[i % len(names)]], k), rng.choice(BETWEEN, k), strict=True
            )
        )
        for i, k in enumerate(rng.integers(0, 9, n))
    ]


def model() -> Any:
    """A model of texts and numbers, with the layers adapted to texts."""
    import keras
    from keras import layers

    inputs = keras.Input((1,), dtype="string"), keras.Input((1,), dtype="int64")
    encode = layers.TextVectorization(50, output_mode="tf_idf", ngrams=2, name="encode")
    encode.adapt(lines())
    words = layers.StringLookup(num_oov_indices=3, output_mode="multi_hot", name="words")
    words.adapt(lines()[:100])
    parts = [
        encode(inputs[0]),
        words(inputs[0]),
        layers.IntegerLookup(vocabulary=[3, -5], num_oov_indices=2, output_mode="one_hot")(inputs[1]),
        layers.Hashing(7, salt=[1, 2], output_mode="one_hot")(inputs[0]),
        layers.HashedCrossing(9, output_mode="one_hot")(inputs),
    ]
    return keras.Model(inputs, parts)


def lines() -> list[str]:
    """Texts without what Python takes for the end of a line: Keras's files of vocabularies have one token in each."""
    return [" ".join(text.split()) for text in texts(300)]


def given() -> list[Any]:
    """What the model takes."""
    import numpy as np

    return [np.array(lines())[:, None], np.arange(300)[:, None] % 17 - 8]


def has_options(layer: Any, options: dict[str, Any]) -> bool:
    """Whether a layer of this version of Keras takes the options."""
    return set(options) <= set(inspect.signature(layer).parameters)


def results() -> dict[str, Any]:
    """By name what is to be equal: arrays, vocabularies and configurations."""
    import numpy as np
    from keras import layers

    rng = np.random.default_rng(1)
    found: dict[str, Any] = {}
    all_texts = texts(10_000)
    data = np.array(all_texts)

    def take(name: str, layer: Any, *inputs: Any) -> None:
        for i, x in enumerate(inputs):
            found[f"{name} {i}"] = np.asarray(layer(x))
        config = {key: value for key, value in layer.get_config().items() if key not in ("name", "dtype")}
        found[f"{name} configuration"] = repr(config)
        if hasattr(layer, "get_vocabulary"):
            found[f"{name} vocabulary"] = list(map(str, layer.get_vocabulary()))

    # Texts: as they are, as bytes in an array of objects, as a list.
    forms = (
        data[:500],
        np.array([text.encode() for text in all_texts[500:900]], object)[:, None],
        all_texts[:9],
    )
    for standardize in (None, "lower", "strip_punctuation", "lower_and_strip_punctuation"):
        for split in ("whitespace", "character"):
            layer = layers.TextVectorization(400, standardize, split, output_sequence_length=7)
            layer.adapt(data)
            take(f"TextVectorization {standardize} {split}", layer, *forms)
    for options in (
        {"ngrams": 2},
        {"ngrams": (3, 1), "output_mode": "count", "max_tokens": 60, "pad_to_max_tokens": True},
        {"output_mode": "multi_hot", "max_tokens": 90},
        {"output_mode": "tf_idf", "max_tokens": 2000, "pad_to_max_tokens": True},
        {"split": None, "output_mode": "one_hot", "max_tokens": 20},
    ):
        layer = layers.TextVectorization(**options)
        layer.adapt(data[:2000])
        take(f"TextVectorization {options}", layer, *forms[: 1 if "one_hot" in str(options) else 3])

    words = np.array([word for text in all_texts for word in text.split()[:2]], object)
    table = words[: len(words) // 8 * 8].reshape(-1, 8)
    broken = [
        rng.bytes(n % 70) for n in range(800)
    ]  # bytes of any kind, of every length that hashes tell apart
    mask = words[1]
    vocabulary = sorted(set(words[:300]) - {mask})
    for options in (
        {},
        {"num_oov_indices": 4, "mask_token": mask},
        {"num_oov_indices": 3, "salt": [133, 137]},
        {"output_mode": "one_hot"},
        {"output_mode": "multi_hot", "mask_token": mask},
        {"output_mode": "count", "num_oov_indices": 2},
        {"output_mode": "tf_idf", "idf_weights": [0.5] * len(vocabulary)},
    ):
        if not has_options(layers.StringLookup, options):
            continue
        layer = layers.StringLookup(vocabulary=vocabulary, **options)
        take(f"StringLookup {options}", layer, table[:100], table[0, 0], broken)
    for options in ({}, {"max_tokens": 30, "mask_token": ""}, {"output_mode": "tf_idf"}):
        layer = layers.StringLookup(**options)
        layer.adapt(table)
        take(f"StringLookup adapted {options}", layer, table[:100], words[:20])
    take("StringLookup inverse", layers.StringLookup(vocabulary=vocabulary, invert=True), np.arange(400) - 3)

    numbers = rng.integers(-(2**63), 2**63, 500)
    numbers = np.concatenate([numbers, numbers >> 40, rng.integers(-20, 20, 500), [0, -(2**63), 2**63 - 1]])
    for options in (
        {},
        {"num_oov_indices": 3, "mask_token": 0},
        {"num_oov_indices": 3, "oov_method": "farmhash"},
    ):
        if not has_options(layers.IntegerLookup, options):
            continue
        layer = layers.IntegerLookup(vocabulary=np.setdiff1d(numbers[::3], [0, -1]), **options)
        take(f"IntegerLookup {options}", layer, numbers, numbers[:4].astype("int32"), 5)
    layer = layers.IntegerLookup(output_mode="count", max_tokens=20)
    layer.adapt(numbers)
    take("IntegerLookup adapted", layer, numbers[-40:].reshape(4, 10))

    for options in (
        {},
        {"mask_value": all_texts[0]},
        {"salt": 5},
        {"output_mode": "count"},
        {"output_mode": "one_hot"},
    ):
        layer = layers.Hashing(11, **options)
        take(
            f"Hashing {options}",
            layer,
            data[:300, None],
            broken,
            np.array(broken[:80], object).reshape(4, 20),
        )
        if "mask_value" not in options:
            take(f"Hashing of numbers {options}", layer, numbers, numbers % 7 / 2, numbers > 0)
    for mode in ("int", "one_hot"):
        layer = layers.HashedCrossing(13, output_mode=mode)
        take(f"HashedCrossing {mode}", layer, (data[:500], numbers[:500]), [[["a"]], [[7]], [["b"]]])
    return found


def without_tensorflow() -> None:
    """Python finds no TensorFlow from here on."""

    class Finder:
        def find_spec(self, name: str, *_: Any) -> None:
            if name.partition(".")[0] == "tensorflow":
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    sys.meta_path.insert(0, Finder())


def loads(file: Path) -> bool:
    """Whether Keras loads what it has saved itself: 3.13 does not, on TensorFlow."""
    import keras

    try:
        keras.models.load_model(file)
    except ValueError:
        if not keras.__version__.startswith("3.13."):
            raise
        return False
    return True


def main(which: str, folder: Path) -> None:
    if which == "without":
        without_tensorflow()
        import kerasflow  # noqa: F401
    else:
        os.environ["KERAS_BACKEND"] = "tensorflow"
    import keras
    import numpy as np

    assert (which == "without") == (keras.backend.backend() == "numpy")
    found = results()
    x = given()
    made = model()
    made.save(folder / f"{which}.keras")
    found["model"] = list(map(np.asarray, made(x)))
    other = folder / ("stock.keras" if which == "without" else "without.keras")
    if other.exists() and (which == "without" or loads(folder / f"{which}.keras")):
        found["loaded"] = list(map(np.asarray, keras.models.load_model(other)(x)))
    assert (which == "without") != ("tensorflow" in sys.modules)
    (folder / f"{which}.pickle").write_bytes(pickle.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
