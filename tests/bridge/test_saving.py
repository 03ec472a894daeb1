"""Models saved, loaded, cloned, pickled and copied."""

from __future__ import annotations

import copy
import json
import os
import pickle
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import kerasflow  # noqa: F401  # isort: skip  (before Keras)
import keras
import numpy as np
import pytest
from keras import layers

from kerasflow.bridge import hdf5
from kerasflow.errors import DamagedFileError

X = np.random.default_rng(3).normal(size=(24, 3)).astype("float32")
Y = X.sum(1, keepdims=True)


@keras.saving.register_keras_serializable("tests")
class Tanh(layers.Layer):
    """A layer in plain NumPy."""

    def call(self, x):
        return np.tanh(x)


@pytest.fixture
def model():
    keras.utils.set_random_seed(0)
    parts = [layers.Dense(4), Tanh(), layers.BatchNormalization(), layers.Dense(1)]
    model = keras.Sequential([layers.Input((3,)), *parts])
    model.compile("adam", "mse", metrics=["mae"])
    model.fit(X, Y, verbose=0, epochs=2)
    return model


def through_file(model, folder):
    model.save(folder / "model.keras")
    return keras.models.load_model(folder / "model.keras")


WAYS = {
    "file": through_file,
    "pickle": lambda model, _: pickle.loads(pickle.dumps(model)),
    "deepcopy": lambda model, _: copy.deepcopy(model),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_copy_goes_on_as_the_original_does(model, way, tmp_path):
    other = WAYS[way](model, tmp_path)
    np.testing.assert_array_equal(other.predict(X, verbose=0), model.predict(X, verbose=0))
    histories = [m.fit(X, Y, verbose=0, shuffle=False, epochs=2).history for m in (model, other)]
    assert histories[0] == histories[1]
    for a, b in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    before = model.get_weights()
    other.fit(X, Y, verbose=0)
    for a, b in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_weights_alone(model, tmp_path):
    model.save_weights(tmp_path / "model.weights.h5")
    clone = keras.models.clone_model(model)
    assert not np.array_equal(clone.get_weights()[0], model.get_weights()[0])
    clone.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_array_equal(clone.predict(X, verbose=0), model.predict(X, verbose=0))


def test_a_file_with_a_wrong_model_is_refused(model, tmp_path):
    model.save_weights(tmp_path / "model.weights.h5")
    other = keras.Sequential([layers.Input((3,)), layers.Dense(7)])
    before = other.get_weights()
    with pytest.raises(ValueError, match=r"(?i)expected|shape|layer"):
        other.load_weights(tmp_path / "model.weights.h5")
    for a, b in zip(other.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_variables_are_copied_with_their_contents():
    variable = keras.Variable([1.0, 2.0])
    other = copy.deepcopy(variable)
    other.assign([3.0, 4.0])
    np.testing.assert_array_equal(variable.numpy(), [1.0, 2.0])
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(other)).numpy(), [3.0, 4.0])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system cannot copy a process")
def test_an_interrupted_save_leaves_the_previous_file(tmp_path):
    """Killed at several moments, on a full disk, without the right to write: each kind of file."""
    program = Path(__file__).with_name("interrupted_saves.py")
    done = subprocess.run(
        [sys.executable, str(program), str(tmp_path)], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-5000:]
    for what, found in json.loads(done.stdout).items():
        assert found["whole"], what
        assert found["drafts later"] == 0, what
        if "killed" in what:
            assert found["signal"] == 9, what
            continue
        assert (found["signal"], found["drafts"]) == (0, 0), what
        if "no right" in what:
            assert "Permission denied" in found["error"], what
        else:
            name = what.partition(",")[0]
            assert f"{name} could not be written, and is as it was." in found["error"], what


@pytest.mark.parametrize("suffix", [".keras", ".h5", ".weights.h5"])
def test_names_as_long_as_the_file_system_allows(model, suffix, tmp_path):
    most = os.pathconf(tmp_path, "PC_NAME_MAX") if hasattr(os, "pathconf") else 100
    path = tmp_path / ("n" * (most - len(suffix)) + suffix)
    for _ in range(2):
        model.save_weights(path) if "weights" in suffix else model.save(path)
    model.load_weights(path)
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_no_plain_file_is_not_replaced(model, tmp_path):
    """A link stays a link, to a file with the rights that it had; a folder is refused, and nothing is left behind."""
    target, link = tmp_path / "there" / "model.weights.h5", tmp_path / "link.weights.h5"
    target.parent.mkdir()
    model.save_weights(target)
    target.chmod(0o640)
    link.symlink_to(target)
    model.save_weights(link)
    assert link.is_symlink() and target.stat().st_mode & 0o777 == 0o640
    (tmp_path / "folder.keras").mkdir()
    with pytest.raises(IsADirectoryError):
        model.save(tmp_path / "folder.keras")
    assert sorted(p.name for p in tmp_path.rglob("*")) == [
        "folder.keras", "link.weights.h5", "model.weights.h5", "there"
    ]  # fmt: skip


def test_a_legacy_file_leaves_the_optimizer_in_later_ones(model, tmp_path):
    model.save(tmp_path / "model.h5")
    assert isinstance(through_file(model, tmp_path).optimizer, keras.optimizers.Adam)


DAMAGED = {"cut off": lambda data: data[: len(data) // 2], "garbage": lambda data: b"no model" * 99}


@pytest.mark.parametrize("damage", DAMAGED)
@pytest.mark.parametrize("name", ["model.keras", "model.h5", "model.weights.h5"])
def test_a_damaged_file_is_called_so(model, name, damage, tmp_path):
    path = tmp_path / name
    (model.save_weights if "weights" in name else model.save)(path)
    path.write_bytes(DAMAGED[damage](path.read_bytes()))
    before = model.get_weights()
    with pytest.raises(DamagedFileError) as caught:
        model.load_weights(path) if "weights" in name else keras.models.load_model(path)
    assert str(caught.value).startswith(
        f"The file {path} is there, {path.stat().st_size} bytes, but it is damaged"
    )
    assert isinstance(caught.value, OSError) and isinstance(caught.value, ValueError)
    for a, b in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_damaged_backup_says_how_to_begin_anew(model, tmp_path):
    folder = tmp_path / "backup"
    folder.mkdir()
    (folder / "latest.weights.h5").write_bytes(b"no weights" * 99)
    with pytest.raises(OSError) as caught:
        model.fit(X, Y, verbose=0, callbacks=[keras.callbacks.BackupAndRestore(folder)])
    assert f"perhaps. Delete the folder {folder}, and the training begins anew. (" in str(caught.value)


def test_folders_are_keras_business(model, tmp_path):
    """Whatever their names end in: errors speak of the path that was named."""
    path = tmp_path / "model.keras"
    with pytest.raises(
        ValueError, match=f"should not end in `.keras`. Received: filepath={re.escape(str(path))}$"
    ):
        model.save(path, zipped=False)
    model.save(tmp_path / "folder.h5", zipped=False)
    assert [p.name for p in tmp_path.iterdir()] == ["folder.h5"]
    assert {p.name for p in (tmp_path / "folder.h5").iterdir()} >= {"config.json", "model.weights.h5"}


def test_a_missing_file_is_not_called_damaged(tmp_path):
    with pytest.raises(ValueError, match="File not found") as caught:
        keras.models.load_model(tmp_path / "model.keras")
    assert not hasattr(caught.value, "__notes__")


def altered(path, change, **more):
    """A `.keras` file with another configuration, and more members."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    change(config)
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in {**members, "config.json": json.dumps(config), **more}.items():
            archive.writestr(name, data)


def test_keras_protects_from_hostile_files(tmp_path):
    """As in stock Keras: no code of a file runs, and no member of an archive leaves its folder."""
    path, evil = tmp_path / "model.keras", tmp_path / "evil"
    model = keras.Sequential([layers.Input((3,)), layers.Dense(2), layers.Lambda(lambda x: 2 * x)])
    for name in ("model.keras", "model.h5"):
        model.save(tmp_path / name)
        with pytest.raises(ValueError, match="arbitrary code execution"):
            keras.models.load_model(tmp_path / name)
    plain = keras.Sequential([layers.Input((3,)), layers.Dense(2)])
    for module, name in (("os", "system"), ("subprocess", "Popen"), ("builtins", "eval")):
        plain.save(path)
        call = {
            "module": module,
            "class_name": name,
            "config": {"args": f"touch {evil}"},
            "registered_name": None,
        }
        altered(
            path, lambda config, c=call: config["config"]["layers"][1]["config"].update(kernel_initializer=c)
        )
        with pytest.raises((TypeError, ValueError)):
            keras.models.load_model(path)
    plain.save(path)
    altered(path, lambda config: None, **{"../evil": "x", "assets/../../evil": "x", str(evil): "x"})
    # Keras 3.13 means to warn, and asks a member of a zip file for what only those of tar files have.
    early = keras.__version__.startswith("3.13.")
    with (
        pytest.raises(DamagedFileError, match="'ZipInfo' object has no attribute 'name'")
        if early
        else pytest.warns(UserWarning, match="Skipping invalid path")
    ):
        keras.models.load_model(path)
    assert not evil.exists() and not (tmp_path.parent / "evil").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="there a process is limited by the clock alone")
def test_a_file_that_is_never_read_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is limited is the processor's time: on a loaded machine everything takes long."""
    (tmp_path / "h5py.py").write_text(
        "class File:\n    def __init__(self, path):\n        while True: pass\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(hdf5, "PATIENCE", 1)
    assert hdf5.flaw_of_attributes(tmp_path / "some.h5") == "reading its attributes takes for ever"
