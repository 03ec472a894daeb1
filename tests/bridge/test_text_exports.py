"""Models of texts and tables as Python files: with NumPy alone they compute what the models predict."""

from __future__ import annotations

import ast
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kerasflow  # isort: skip  (before Keras)
import keras
import numpy as np
import pytest
import text_models
from imported import imported
from keras import layers
from layers_of_text import has_options, texts

from kerasflow.errors import ExportError
from kerasflow.exporting.numpy import module
from kerasflow.exporting.numpy.inclusion import Inclusion
from kerasflow.strings import layers as functions
from kerasflow.strings import tokens
from kerasflow.strings.flat import from_lengths
from kerasflow.strings.flat import texts as as_texts
from kerasflow.strings.lookup import Lookup

# Runs files where no other package than NumPy can be imported.
ALONE = """
import importlib.util, pickle, sys
import numpy as np

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"kerasflow", "keras", "scipy", "tensorflow", "ml_dtypes"}:
            raise ImportError(f"{name} is not there")

sys.meta_path.insert(0, Blocked())
with open(sys.argv[1], "rb") as file:
    given = pickle.load(file)
found = {}
for path, batches in given.items():
    spec = importlib.util.spec_from_file_location("exported", path)
    exported = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(exported)
    found[path] = [exported.predict(x) for x in batches]
with open(sys.argv[2], "wb") as file:
    pickle.dump(found, file)
"""


def alone(given: dict[str, list[Any]], folder: Path) -> dict[str, list[Any]]:
    """What exported files predict for batches, in a process that has NumPy alone."""
    (folder / "given").write_bytes(pickle.dumps(given))
    command = [sys.executable, "-I", "-c", ALONE, str(folder / "given"), str(folder / "found")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found: dict[str, list[Any]] = pickle.loads((folder / "found").read_bytes())
    return found


def assert_same(found: Any, expected: Any) -> None:
    """Whole numbers are equal, others to rounding."""
    keras.tree.assert_same_structure(found, expected)
    for a, b in zip(keras.tree.flatten(found), keras.tree.flatten(expected), strict=True):
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        np.testing.assert_allclose(a, b, rtol=1e-5 if b.dtype.kind == "f" else 0, atol=1e-6)


# -- every layer and option ---------------------------------------------------------------------------------

TEXTS = np.array([" ".join(text.split("\n")) for text in texts(120)], object)[:, None]
WORDS = sorted({word for (text,) in TEXTS.tolist() for word in text.split()})[::3]
BROKEN = [np.random.default_rng(n).bytes(n % 90) for n in range(len(TEXTS))]
NUMBERS = np.concatenate([np.arange(-50, 50), [-(2**63), 2**63 - 1, 2**40], np.arange(17)])[:, None]


def vectorized() -> Any:
    x = keras.Input((1,), dtype="string")
    results = []
    for standardize in (None, "lower", "strip_punctuation", "lower_and_strip_punctuation"):
        for split in ("whitespace", "character"):
            layer = layers.TextVectorization(60, standardize, split, output_sequence_length=5)
            layer.adapt(TEXTS[:, 0])
            results.append(layer(x))
    for options in (
        {"ngrams": 2, "output_sequence_length": 9},
        {"ngrams": (3, 1), "output_mode": "count", "max_tokens": 60, "pad_to_max_tokens": True},
        {"output_mode": "multi_hot", "max_tokens": 90},
        {"output_mode": "tf_idf", "max_tokens": 70},
        {"split": None, "output_mode": "one_hot", "max_tokens": 20},
        {"split": None, "output_mode": "count", "max_tokens": 20},
        {"split": None},
        {"split": None, "output_sequence_length": 3},
    ):
        layer = layers.TextVectorization(**options)
        layer.adapt(TEXTS[:, 0])
        results.append(layer(x))
    return keras.Model(x, results), [TEXTS, TEXTS.astype(str), np.array(BROKEN, object)[:, None]]


def looked_up() -> Any:
    x = keras.Input((3,), dtype="string")
    results = []
    for options in (
        {},
        {"num_oov_indices": 4, "mask_token": "mask"},
        {"num_oov_indices": 3, "salt": [133, 137]},
        {"output_mode": "one_hot"},
        {"output_mode": "multi_hot", "mask_token": "mask"},
        {"output_mode": "count", "num_oov_indices": 2},
        {"output_mode": "tf_idf", "idf_weights": [0.5] * len(WORDS)},
    ):
        if has_options(layers.StringLookup, options):
            results.append(layers.StringLookup(vocabulary=WORDS, **options)(x))
    for options in (
        {},
        {"mask_value": "mask"},
        {"salt": 5},
        {"output_mode": "count"},
        {"output_mode": "one_hot"},
    ):
        results.append(layers.Hashing(11, **options)(x))
    some = np.array((WORDS * 3)[: 3 * len(TEXTS)], object).reshape(-1, 3)
    some[::5, 1], some[1::7, 0], some[:, 2] = "mask", "\0", [f"x{i}" for i in range(len(some))]
    return keras.Model(x, results), [some, np.array(BROKEN, object).reshape(-1, 3), some.astype(str)]


def of_numbers() -> Any:
    x, y = keras.Input((1,), dtype="int64"), keras.Input((2,))
    results = []
    for options in (
        {},
        {"num_oov_indices": 3, "mask_token": 0},
        {"num_oov_indices": 3, "oov_method": "farmhash"},
        {"output_mode": "one_hot"},
    ):
        if has_options(layers.IntegerLookup, options):
            results.append(layers.IntegerLookup(vocabulary=[3, -5, 2**40, -(2**63)], **options)(x))
    results += [
        layers.Hashing(7)(x),
        layers.Hashing(7, mask_value=3, salt=[1, 2])(x),
        layers.Hashing(7)(y),
        layers.HashedCrossing(5)((x, x)),
        layers.HashedCrossing(5, output_mode="one_hot")((x, x)),
        layers.CategoryEncoding(4, "one_hot")(layers.IntegerLookup(vocabulary=[1, 2, 3])(x)),
        layers.Discretization([-1.0, 0.0, 1.0], output_mode="one_hot")(y),
        layers.Normalization(mean=[1.0, 2.0], variance=[4.0, 9.0])(y),
    ]
    floats = np.random.default_rng(0).normal(size=(len(NUMBERS), 2), scale=3).astype("float32")
    return keras.Model([x, y], results), [[NUMBERS, floats]]


def crossed() -> Any:
    x, y = keras.Input((1,), dtype="string"), keras.Input((1,), dtype="int64")
    return keras.Model([x, y], layers.HashedCrossing(99)((x, y))), [[TEXTS, NUMBERS]]


def of_a_single_string() -> Any:
    x = keras.Input((), dtype="string")
    results = [
        layers.StringLookup(vocabulary=WORDS)(x),
        layers.TextVectorization(vocabulary=WORDS, output_sequence_length=4)(x),
        layers.TextVectorization(vocabulary=WORDS, output_mode="count")(x),
    ]
    return keras.Model(x, results), [TEXTS[:, 0]]


OPTIONS = [vectorized, looked_up, of_numbers, crossed, of_a_single_string]
EXPORTED = [
    text_models.sequential,
    text_models.unbuilt,
    text_models.multi_hot,
    text_models.tf_idf,
    text_models.functional,
    text_models.nested,
    text_models.feature_space,
    text_models.of_layers,
]


@pytest.fixture(scope="module")
def all_of_them(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the files give, and what the models predict, by name."""
    folder = tmp_path_factory.mktemp("files")
    given, expected = {}, {}
    for make in (*OPTIONS, *EXPORTED):
        keras.utils.set_random_seed(0)
        model, batches = make()
        batches = (
            batches if make in OPTIONS else [batches, keras.tree.map_structure(lambda x: x[:1], batches)]
        )
        sample = None if getattr(model, "inputs", None) else batches[0]
        path = kerasflow.export_numpy(model, folder / f"{make.__name__}_file.py", sample)
        given[str(path)] = batches
        expected[make.__name__] = [model.predict(x, verbose=0) for x in batches]
    found = alone(given, folder)
    return {Path(path).stem.removesuffix("_file"): results for path, results in found.items()}, expected


@pytest.mark.parametrize("make", [*OPTIONS, *EXPORTED], ids=lambda make: make.__name__)
def test_as_the_model_predicts(make: Callable[[], Any], all_of_them: Any) -> None:
    found, expected = (results[make.__name__] for results in all_of_them)
    assert_same(found, expected)


# -- what is in the file ------------------------------------------------------------------------------------

HOSTILE = [
    "'",
    '"',
    '"""',
    "'''",
    "\\",
    "\\\n",
    "\n",
    "\r\n",
    "\0",
    "a\0",
    "\0a",
    "{x}",
    "%s",
    "\\N{DASH}",
    "\u2028",
    "\u202e",
    "\ud7ff",
    "\U0010ffff",
    "#",
    "print(1)",
    '"""\nimport os\n"""',
    b"\xff",
    b"\x80a",
    b"\xed\xa0\x80",
    "]",
]


def lookup_of(vocabulary: list[Any], **options: Any) -> Any:
    x = keras.Input((1,), dtype="string", name="x")
    look = layers.StringLookup(vocabulary=["a"], name="look", **options)
    look.set_vocabulary(np.array(vocabulary, object))
    hashing = layers.Hashing(3, mask_value=vocabulary[0], name="hashing")
    return keras.Model(x, [look(x), hashing(x)], name="m")


@pytest.mark.parametrize("embed", [False, True])
def test_strings_are_data(embed: bool, tmp_path: Path) -> None:
    """Whatever is in a vocabulary, the text is the same, and it finds each of them again."""
    model = lookup_of(HOSTILE, mask_token="'\n\"")
    path = kerasflow.export_numpy(model, tmp_path / "hostile.py", embed=embed)
    x = np.array([*HOSTILE, "", "a", "'\n\"", "\0\0"], object)[:, None]
    numbers, bins = imported(path).predict(x)
    assert numbers[:, 0].tolist() == [*range(2, len(HOSTILE) + 2), 1, 1, 0, 1]
    for a, b in zip((numbers, bins), model.predict(x, verbose=0), strict=True):
        np.testing.assert_array_equal(a, b)
    other = lookup_of([f"w{i}" for i in range(len(HOSTILE))], mask_token="m")
    kerasflow.export_numpy(other, tmp_path / "plain.py", embed=embed)
    hostile, plain = (ast.parse((tmp_path / name).read_bytes()) for name in ("hostile.py", "plain.py"))
    for tree in (hostile, plain):
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                if embed and len(node.value) > 500:  # the arrays
                    node.value = ""
                node.value = node.value.replace("hostile.npz", "plain.npz")
    assert ast.dump(hostile) == ast.dump(plain)


def test_names_are_those_of_the_file_alone(tmp_path: Path) -> None:
    """Layers that are called as what the file imports and defines."""
    x = keras.Input((1,), dtype="string", name="texts")
    results = [
        layers.StringLookup(vocabulary=["a"], name=name)(x)
        for name in ("Lookup", "dataclass", "cached_property", "string", "Strings", "look_up", "math", "np")
    ]
    path = kerasflow.export_numpy(keras.Model(x, results), tmp_path / "names.py")
    assert [found.tolist() for found in imported(path).predict([["a"], ["b"]])] == [[[1], [0]]] * len(results)


def test_what_it_imports_is_reserved() -> None:
    include = Inclusion(lambda wish: wish)
    for function in (
        functions.look_up,
        functions.hashed,
        functions.cross,
        functions.occurrences,
        functions.of_texts,
        functions.numbered,
        functions.counted,
        tokens.lower,
        tokens.without_punctuation,
        tokens.words,
        tokens.characters,
        from_lengths,
        as_texts,
        Lookup,
    ):
        include.function(function)
    imports = ast.parse("\n".join(include.imports)).body
    names = {alias.asname or alias.name for statement in imports for alias in statement.names}
    assert names <= set(module.RESERVED)
    # Nothing is missing: they run by themselves.
    space: dict[str, Any] = {}
    exec("\n".join([*include.imports, *include.definitions]), space)
    vocabulary = space["from_lengths"](np.frombuffer(b"abc", np.uint8), np.array([1, 2]))
    look = space["Lookup"](vocabulary, np.array([1, 2, 0]), 1, 0, None, False)
    assert space["look_up"](look, np.array(["bc", "a", "x"])).tolist() == [2, 1, 0]


def test_a_file_that_trains_on_texts(tmp_path: Path) -> None:
    model, x = text_models.sequential()
    y = text_models.Y
    model.compile("adam", "mse")
    path = kerasflow.export_numpy(model, tmp_path / "pupil.py", training=(x[:8], y[:8]))
    pupil = imported(path)
    for _ in range(2):
        pupil.reset_metrics()
        logs = pupil.train_step(x[:9], y[:9])
        expected = model.train_on_batch(x[:9], y[:9], return_dict=True)
        np.testing.assert_allclose(logs["loss"], expected["loss"], rtol=1e-5)
    np.testing.assert_allclose(pupil.predict(x), model.predict(x, verbose=0), rtol=1e-4)


# -- what cannot be written ---------------------------------------------------------------------------------


def of(*parts: Any, shape: tuple[int, ...] = (1,)) -> Any:
    return keras.Sequential([keras.Input(shape, dtype="string"), *parts])


def standardize(x: Any) -> Any:
    return x


class Own(layers.StringLookup):
    def call(self, x: Any) -> Any:
        return super().call(x) * 2


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (
            lambda: of(layers.TextVectorization(standardize=standardize, vocabulary=["a"])),
            "function of its own .* on the texts before the model",
        ),
        (
            lambda: of(layers.TextVectorization(split=standardize, vocabulary=["a"])),
            "function of its own .* on the texts before the model",
        ),
        (
            lambda: of(layers.TextVectorization(vocabulary=["a"]), layers.Embedding(3, 2)),
            "output_sequence_length",
        ),
        (
            lambda: keras.Sequential(
                [keras.Input((1,), dtype="int64"), layers.StringLookup(vocabulary=["a"], invert=True)]
            ),
            "gives strings",
        ),
        (lambda: of(layers.StringLookup()), "no vocabulary"),
        (lambda: of(Own(vocabulary=["a"])), "cannot be compiled.*to the data before"),
        (lambda: of(text_models.Lengths(), layers.Dense(1)), "cannot"),
    ],
)
def test_what_no_file_has_says_why(make: Any, words: str, tmp_path: Path) -> None:
    model = make()
    with pytest.raises(ExportError, match=f"(?s){words}"):
        kerasflow.export_numpy(model, tmp_path / "text.py")
    assert not list(tmp_path.iterdir())


def test_what_is_wrong_with_texts_is_said(tmp_path: Path) -> None:
    path = kerasflow.export_numpy(
        of(layers.StringLookup(vocabulary=["a"], num_oov_indices=0)), tmp_path / "text.py"
    )
    predict = imported(path).predict
    for x, error, words in (
        ([["x"]], ValueError, r"\[b'x'\]"),
        ([["a", "a"]], ValueError, r"shape \(n, 1\)"),
        ([[1]], TypeError, "one of them is 1"),
        (np.ones((2, 1)), TypeError, "dtype float64"),
        ([["\ud800"]], ValueError, "surrogate pair"),
    ):
        with pytest.raises(error, match=words):
            predict(x)
