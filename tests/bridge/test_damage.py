"""Damaged files: one error that names the file, and no model that is loaded by halves.

Two thousand seeded mutations of small files of every kind, of the whole file and of its beginning, where formats have
their tables.
"""

from __future__ import annotations

import json
import random
import shutil
import traceback
import zipfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import kerasflow  # isort: skip  (before Keras)
import h5py
import keras
import numpy as np
import pytest
from imported import imported
from keras import layers

from kerasflow.datasets import mnist
from kerasflow.errors import DamagedFileError, DatasetError

LEGACY = 58
HEAD = 3000  # bytes


@pytest.fixture(scope="module")
def model() -> Any:
    model = keras.Sequential(
        [layers.Input((8,)), layers.Dense(6, "relu"), layers.Dropout(0.1), layers.Dense(3, "softmax")]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(np.zeros((16, 8), "float32"), np.arange(16) % 3, verbose=0)
    return model


@dataclass
class Kind:
    """A kind of file.

    Attributes:
        make: writes a sound one. load: loads it, maybe into the model.
        checked: whether it has checksums, so that what loads is what was written.
        mutations: how many are tried. A legacy file is read by a process of its own first.
    """

    make: Callable[[Any, Path], Any]
    load: Callable[[Any, Path], Any]
    checked: bool = True
    mutations: int = 314


def _load_weights(model: Any, path: Path) -> None:
    model.load_weights(path)


def _load_model(model: Any, path: Path) -> list[np.ndarray]:
    return keras.models.load_model(path).get_weights()


def _digits(save: Callable[..., None]) -> Callable[[Any, Path], None]:
    def make(model: Any, path: Path) -> None:
        images, labels = np.zeros((20, 28, 28), np.uint8), np.arange(20) % 10
        save(path, x_train=images, y_train=labels, x_test=images[:10], y_test=labels[:10])

    return make


def _load_digits(model: Any, path: Path) -> list[np.ndarray]:
    (x, y), (x_test, y_test) = mnist.load_data(path)
    return [x, y, x_test, y_test]


def _export(model: Any, path: Path) -> None:
    kerasflow.export_numpy(model, path.with_suffix(".py"))


def _import(model: Any, path: Path) -> list[np.ndarray]:
    module = imported(path.with_suffix(".py"))
    return [module.predict(np.ones((2, 8), np.float32))]


KINDS = {
    "model.keras": Kind(lambda model, path: model.save(path), _load_model),
    "model.h5": Kind(lambda model, path: model.save(path), _load_model, checked=False, mutations=LEGACY),
    "weights.keras": Kind(lambda model, path: model.save(path), _load_weights),
    "weights.h5": Kind(lambda model, path: model.save(path), _load_weights, checked=False, mutations=LEGACY),
    "new.weights.h5": Kind(lambda model, path: model.save_weights(path), _load_weights, checked=False),
    "digits.npz": Kind(_digits(np.savez), _load_digits),
    "compressed.npz": Kind(_digits(np.savez_compressed), _load_digits),
    "exported.npz": Kind(_export, _import),
}


def mutated(data: bytes, rng: random.Random) -> bytes:
    """The data with a damage: cut off, bits turned, a piece overwritten, lost, inserted, or some bytes of the head."""
    found = bytearray(data)
    at = rng.randrange(len(data))
    length = min(len(data) - at, rng.choice([1, 1, 2, 4, 8, 64, 512]))
    match rng.randrange(10):
        case 0:
            del found[at:]
        case 1:
            found[at] ^= 1 << rng.randrange(8)
        case 2:
            found[at : at + length] = rng.choice([b"\0", b"\xff"]) * length
        case 3:
            found[at : at + length] = rng.randbytes(length)
        case 4:
            del found[at : at + length]
        case 5:
            found[at:at] = rng.randbytes(length)
        case _:
            for _ in range(rng.choice([1, 2, 4])):
                found[rng.randrange(min(len(found), HEAD))] = rng.randrange(256)
    return bytes(found)


def _variables(model: Any) -> list[Any]:
    return [*model.variables, *model.optimizer.variables]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", KINDS)
def test_a_damaged_file_is_one_error_that_names_it(model: Any, name: str, tmp_path: Path) -> None:
    kind, rng, path = KINDS[name], random.Random(name), tmp_path / name
    kind.make(model, path)
    data = path.read_bytes()
    sound = kind.load(model, path)
    found: Counter[str] = Counter()
    before = [v.numpy() for v in _variables(model)]
    for _ in range(kind.mutations):
        damaged = mutated(data, rng)
        path.write_bytes(damaged)
        try:
            loaded = kind.load(model, path)
        except Exception as error:
            text = "".join(traceback.format_exception_only(error))
            assert str(path) in text, text
            assert isinstance(error, (DamagedFileError, DatasetError, TypeError, ValueError)), repr(error)
            found[type(error).__name__] += 1
            for v, value in zip(_variables(model), before, strict=True):
                np.testing.assert_array_equal(v, value)
        else:
            found["loaded"] += 1
            if kind.checked:
                for ours, theirs in zip(loaded or _variables(model), sound or before, strict=True):
                    np.testing.assert_array_equal(ours, theirs)
            for v, value in zip(_variables(model), before, strict=True):
                v.assign(value)
    assert sum(found.values()) - found["loaded"] > kind.mutations / 10, found


def test_there_are_two_thousand() -> None:
    assert sum(kind.mutations for kind in KINDS.values()) == 2000


def test_what_damage_hides_from_a_look_at_the_file_is_found(model: Any, tmp_path: Path) -> None:
    """A weight in an archive, which Keras would read without comparing the checksum."""
    path = tmp_path / "model.keras"
    model.save(path)
    kernel = np.array(model.layers[0].kernel).tobytes()
    data = path.read_bytes()
    assert data.count(kernel) == 1
    place = data.index(kernel) + 5
    path.write_bytes(data[:place] + bytes([data[place] ^ 4]) + data[place + 1 :])
    for load in (_load_model, _load_weights):
        with pytest.raises(DamagedFileError, match=r"Bad CRC-32 for file 'model\.weights\.h5'"):
            load(model, path)


def test_weights_that_fail_in_the_middle_leave_the_model_as_it_was(model: Any, tmp_path: Path) -> None:
    path = tmp_path / "model.weights.h5"
    model.save_weights(path)
    with h5py.File(path, "r+") as file:
        for name in ("0", "1"):
            file["layers/dense/vars"][name][...] = 7
        del file["layers/dense_1/vars/1"]
    before = [v.numpy() for v in _variables(model)]
    with pytest.raises((DamagedFileError, ValueError)) as caught:
        model.load_weights(path)
    assert str(path) in "".join(traceback.format_exception_only(caught.value))
    for v, value in zip(_variables(model), before, strict=True):
        np.testing.assert_array_equal(v, value)


@keras.saving.register_keras_serializable("damage")
class Wrong(layers.Layer):
    """A layer with a mistake in it."""

    fails = False

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        if cls.fails:
            raise KeyError("my own mistake")
        return super().from_config(config)


def test_a_mistake_of_ones_own_is_not_called_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model.keras"
    keras.Sequential([layers.Input((3,)), Wrong()]).save(path)
    monkeypatch.setattr(Wrong, "fails", True)
    with pytest.raises(KeyError, match="my own mistake") as caught:
        keras.models.load_model(path)
    assert caught.value.__notes__ == [f"This happened while {path} was being loaded."]


def saved_by(version: str, path: Path, changed: Callable[[str], str]) -> Path:
    """A copy of a file as if another Keras had saved it, with another configuration."""
    copy = path.with_name(f"by {version}.keras")
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(copy, "w") as written:
        for name in archive.namelist():
            contents = archive.read(name)
            if name == "metadata.json":
                contents = json.dumps({**json.loads(contents), "keras_version": version}).encode()
            written.writestr(name, changed(contents.decode()) if name == "config.json" else contents)
    return copy


@pytest.mark.parametrize(
    ("old", "new"),
    [('"units": 6', '"units": 6, "novelty": 1'), ('"softmax"', '{"class_name": 7}')],
    ids=["an argument", "another kind of thing"],
)
def test_a_file_of_a_newer_keras_is_not_called_damaged(
    model: Any, tmp_path: Path, old: str, new: str
) -> None:
    model.save(tmp_path / "model.keras")
    for version, expected in (("3.99.0.dev7", True), (keras.__version__, False), ("of mine", False)):
        path = saved_by(version, tmp_path / "model.keras", lambda text: text.replace(old, new))
        with pytest.raises(Exception) as caught:
            keras.models.load_model(path)
        note = "\n".join(getattr(caught.value, "__notes__", ()))
        assert (f"saved by Keras 3.99, and this is Keras {keras.__version__}" in note) == expected
        assert not (expected and isinstance(caught.value, DamagedFileError))


def test_a_file_of_another_model_is_refused_by_name(model: Any, tmp_path: Path) -> None:
    path = tmp_path / "other.weights.h5"
    keras.Sequential([layers.Input((8,)), layers.Dense(5)]).save_weights(path)
    with pytest.raises(ValueError) as caught:
        model.load_weights(path)
    assert not isinstance(caught.value, DamagedFileError)
    assert caught.value.__notes__ == [f"This happened while {path} was being loaded."]


def test_a_name_on_a_terminal(model: Any, tmp_path: Path) -> None:
    path = tmp_path / "a\x1b[31mred.keras"
    path.write_bytes(b"none")
    with pytest.raises(DamagedFileError) as caught:
        keras.models.load_model(path)
    assert "\x1b" not in str(caught.value) and "red.keras" in str(caught.value)


def test_exported_weights_of_another_model(model: Any, tmp_path: Path) -> None:
    kerasflow.export_numpy(model, tmp_path / "one.py")
    for damage in (lambda path: np.savez(path, a=1), lambda path: path.unlink()):
        damage(tmp_path / "one.npz")
        with pytest.raises(ValueError, match=r"one\.npz is missing, damaged or of another model: "):
            imported(tmp_path / "one.py")
    shutil.rmtree(tmp_path)
