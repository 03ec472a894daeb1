"""Keras's layers that look up and hash, where there is no TensorFlow: they give what they give with it."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import kerasflow  # noqa: F401  # isort: skip  (before Keras)
import keras
import numpy as np
import pytest
from keras import layers
from layers_of_text import given

PROGRAM = Path(__file__).with_name("layers_of_text.py")


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], dict[str, Any]]:
    """What both give, each in a process of its own; the second also loads the first one's file."""
    if find_spec("tensorflow") is None:
        pytest.skip("what is compared with is TensorFlow")
    folder = tmp_path_factory.mktemp("text")
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    for which in ("without", "stock"):
        command = [sys.executable, str(PROGRAM), which, str(folder)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    ours, theirs = (pickle.loads((folder / f"{name}.pickle").read_bytes()) for name in ("without", "stock"))
    return folder, ours, theirs


def test_the_same_as_tensorflow(both: Any) -> None:
    """10,000 texts in 21 scripts, bytes that are no text, numbers: with every option, adapted and not."""
    _, ours, theirs = both
    assert set(theirs) - {"loaded"} == set(ours)
    for name, found in ours.items():
        if name == "model":
            continue
        expected = theirs[name]
        if not isinstance(found, np.ndarray):
            assert found == expected, name
            continue
        assert (found.dtype, found.shape) == (expected.dtype, expected.shape), name
        if found.dtype.kind == "f":  # TensorFlow adds the weights of tf-idf up in another order.
            np.testing.assert_allclose(found, expected, rtol=1e-6, err_msg=name)
        else:
            np.testing.assert_array_equal(found, expected, name)


def test_models_move_both_ways(both: Any) -> None:
    """What one has adapted and saved gives the same in the other."""
    folder, ours, theirs = both
    again = keras.models.load_model(folder / "stock.keras")
    x = given()
    for results in (theirs["model"], theirs["loaded"], again(x), again.predict(x, verbose=0)):
        for found, expected in zip(results, ours["model"], strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_tensorflow_is_asked_for_nothing_but_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Text as arrays is looked up here; a tensor of TensorFlow's by TensorFlow, with an equal result."""
    tf = pytest.importorskip("tensorflow")
    lookup = layers.StringLookup(num_oov_indices=3)
    lookup.adapt(["a", "b", "a"])
    encode = layers.TextVectorization(output_sequence_length=3)
    encode.adapt(tf.data.Dataset.from_tensor_slices(["a b", "c a"]).batch(2))
    x = np.array(["a", "b", "c d", "e"])
    for layer in (lookup, encode, layers.Hashing(5, salt=3)):
        here = np.asarray(layer(x))
        np.testing.assert_array_equal(layer(tf.constant(x)), here)
        mapped = tf.data.Dataset.from_tensor_slices(x).batch(4).map(layer)
        np.testing.assert_array_equal(next(iter(mapped)), here)
        with monkeypatch.context() as patch:
            patch.setattr(tf, "constant", None)
            patch.setattr(tf, "convert_to_tensor", None)
            np.testing.assert_array_equal(layer(x), here)


def test_functions_of_ones_own_get_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where TensorFlow is not imported both get NumPy's."""
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    monkeypatch.delitem(sys.modules, "tensorflow.python", raising=False)
    kinds = []

    def standardize(x: Any) -> Any:
        kinds.append(x.dtype.kind)
        return np.strings.lower(x)

    def split(x: Any) -> list[list[str]]:
        kinds.append(x.dtype.kind)
        return [text.split("-") for text in x.tolist()]

    layer = layers.TextVectorization(standardize=standardize, split=split)
    layer.adapt([b"A-B", "a-\u00c9"])
    assert layer.get_vocabulary() == ["", "[UNK]", "a", "\u00e9", "b"]
    assert layer(["\u00c9-a", "b"]).tolist() == [[3, 2], [4, 0]]
    assert set(kinds) == {"U"}


def test_batches_of_any_iterable_are_counted_together() -> None:
    whole, parts = (layers.StringLookup(output_mode="tf_idf") for _ in range(2))
    data = [["a", "b"], ["a", "a"], ["c", "a"]]
    whole.adapt(data)
    parts.adapt(iter([data[:1], data[1:], [["never"]]]), steps=2)
    assert whole.get_vocabulary() == parts.get_vocabulary() == ["[UNK]", "a", "c", "b"]
    np.testing.assert_array_equal(whole.idf_weights, parts.idf_weights)
    np.testing.assert_allclose(whole.idf_weights[1:], np.log(1 + 3 / (1 + np.array([3, 1, 1]))), rtol=1e-6)


class Frame:
    """As those of pandas and polars: iterated, it gives its columns' names."""

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return np.array([["a", "b"], ["c", "a"]], dtype)

    def __iter__(self) -> Any:
        return iter(["first", "second"])


def test_a_frame_is_an_array() -> None:
    for data in (Frame(), np.asarray(Frame())):
        layer = layers.StringLookup(output_mode="tf_idf")
        layer.adapt(data)
        assert layer.get_vocabulary() == ["[UNK]", "a", "c", "b"]
        np.testing.assert_allclose(
            layer.idf_weights[1:], np.log(1 + 2 / (1 + np.array([2, 1, 1]))), rtol=1e-6
        )


@pytest.mark.parametrize(
    ("make", "x", "error", "words"),
    [
        (lambda: layers.StringLookup(), ["a"], RuntimeError, "no vocabulary"),
        (lambda: layers.StringLookup(vocabulary=["a"]), [1], TypeError, "one of them is 1, of type int"),
        (lambda: layers.StringLookup(vocabulary=["a"]), np.ones(2), TypeError, "an array of dtype float64"),
        (
            lambda: layers.StringLookup(vocabulary=["a"], num_oov_indices=0),
            ["a", "x"],
            ValueError,
            r"\[b'x'\]",
        ),
        (lambda: layers.IntegerLookup(vocabulary=[1]), [1.5], TypeError, "Expected integers"),
        (
            lambda: layers.TextVectorization(vocabulary=["a"], output_mode="one_hot"),
            ["a b"],
            ValueError,
            "differ in length",
        ),
        (
            lambda: layers.TextVectorization(vocabulary=["a"]),
            [["a", "b"]],
            ValueError,
            "last shape dimension",
        ),
        (lambda: layers.HashedCrossing(3), ([1.0], ["a"]), ValueError, "integer or string dtype"),
        (lambda: layers.Hashing(3, mask_value=""), [1], TypeError, "dtype int64: of strings it is a string"),
        (lambda: layers.Hashing(3, mask_value=0), ["a"], TypeError, "of numbers a number"),
        (lambda: layers.Hashing(3), np.array(["2026-01-01"], "M8[D]"), TypeError, r"datetime64\[D\]"),
        (lambda: layers.StringLookup(vocabulary=["a"]), ["\ud800"], ValueError, "half of a surrogate pair"),
    ],
)
def test_what_cannot_be_says_why(make: Any, x: Any, error: Any, words: str) -> None:
    with pytest.raises(error, match=words):
        make()(x)


@pytest.mark.parametrize("sparse", [True, False])
@pytest.mark.parametrize("mode", ["one_hot", "multi_hot", "count"])
def test_strings_are_no_categories(mode: str, sparse: bool) -> None:
    with pytest.raises(ValueError, match="An array of strings cannot become int"):
        layers.CategoryEncoding(3, output_mode=mode, sparse=sparse)(np.array(["a", "b"]))


def test_a_file_of_a_vocabulary(tmp_path: Path) -> None:
    file = tmp_path / "words.txt"
    file.write_bytes("a\r\nÉ\nc d".encode())
    lookup = layers.StringLookup(vocabulary=str(file))
    assert lookup(["c d", "É", "a\r", "a"]).tolist() == [3, 2, 0, 1]
    for text, words in ((b"a\n\nb", "line 2 is empty"), (b"", "is empty"), (b"a\nb\na\n", "more than once")):
        file.write_bytes(text)
        with pytest.raises(ValueError, match=words):
            layers.StringLookup(vocabulary=str(file))


def test_a_vocabulary_is_loaded_as_it_was_saved(tmp_path: Path) -> None:
    """Also one with line breaks, by which Keras's file, a token in each line, is another one; and with an empty end."""
    text = "a\nb\r\u2028\x85 c\u00e9"
    characters = layers.TextVectorization(standardize=None, split="character", output_mode="tf_idf")
    characters.adapt([text])
    words = layers.StringLookup()
    words.adapt(["b\nb", "c", ""])
    model = keras.Sequential([keras.Input((1,), dtype="string"), characters])
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras").layers[-1]
    assert loaded.get_vocabulary() == characters.get_vocabulary()
    np.testing.assert_array_equal(loaded([text]), characters([text]))
    folder = tmp_path / "assets"
    folder.mkdir()
    words.save_assets(folder)
    again = layers.StringLookup()
    again.load_assets(folder)
    assert again.get_vocabulary() == words.get_vocabulary() == ["[UNK]", "c", "b\nb", ""]
    (folder / "vocabulary.json").unlink()
    words.adapt(["\u00e9", "c"])
    words.save_assets(folder)
    again.load_assets(folder)
    assert again.get_vocabulary() == ["[UNK]", "\u00e9", "c"]
    assert [(file.name, file.read_bytes()) for file in folder.iterdir()] == [
        ("vocabulary.txt", "[UNK]\n\u00e9\nc".encode())
    ]


def test_strings_of_numbers_are_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = layers.StringLookup(vocabulary=["a", "b"], invert=True)
    assert layer([2, 0]).tolist() == [b"b", b"[UNK]"]
    monkeypatch.setattr("kerasflow.bridge.text.table._objects", lambda values: pytest.fail("made again"))
    assert layer([1, 9]).tolist() == [b"a", b"[UNK]"]


def test_features_are_joined_as_floats() -> None:
    """Integers too, as where TensorFlow joins them, and as the symbolic features say."""
    lookup = layers.IntegerLookup(output_mode="multi_hot")
    feature = keras.utils.FeatureSpace.feature("int64", lookup, output_mode="float")
    space = keras.utils.FeatureSpace({"i": feature}, output_mode="concat")
    space.adapt({"i": [1, 2]})
    found = space({"i": np.array([1, 2])})
    assert found.dtype == space.get_encoded_features().dtype == "float32"
    assert found.tolist() == [[0, 0, 1], [0, 1, 0]]


def test_features_without_a_dataset() -> None:
    """The same as of TensorFlow's datasets and tensors, which go through TensorFlow."""
    tf = pytest.importorskip("tensorflow")
    space = keras.utils.FeatureSpace
    data = {
        "c": np.array(["a", "b", "a", "c"]),
        "i": np.array([1, 2, 1, 5]),
        "n": np.array([0.1, 0.5, 0.9, 2.0]),
        "d": np.array([1.0, 2.0, 3.0, 4.0]),
        "s": np.array(["x", "y", "z", "x"]),
        "f": np.array([3.0, 4.0, 5.0, 6.0]),
    }

    def make(output_mode: str) -> Any:
        features = {
            "c": "string_categorical",
            "i": "integer_categorical",
            "n": "float_normalized",
            "d": space.float_discretized(3),
            "s": space.string_hashed(4),
            "f": "float",
        }
        return space(features, crosses=[space.cross(("c", "s"), 8)], output_mode=output_mode)

    for mode in ("concat", "dict"):
        here, there = make(mode), make(mode)
        here.adapt(data)
        there.adapt(tf.data.Dataset.from_tensor_slices(data))
        tensors = {name: tf.constant(x) for name, x in data.items()}
        found, expected = here(data), there(tensors)
        for name in found if mode == "dict" else [slice(None)]:
            np.testing.assert_allclose(found[name], expected[name], rtol=1e-5)
    np.testing.assert_array_equal(here({name: x.tolist() for name, x in data.items()})["c"], found["c"])
    np.testing.assert_array_equal(here({name: x.tolist()[1] for name, x in data.items()})["n"], found["n"][1])
    with pytest.raises(ValueError, match="can only be called on"):
        here.adapt([1, 2])
