"""Files that are made to do harm: each ends in one error, soon and in little memory, and nothing outside is touched."""

from __future__ import annotations

import json
import os
import re
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kerasflow  # isort: skip  (before Keras)  # noqa: F401
import h5py
import keras
import numpy as np
import pytest
from keras import layers

from kerasflow.bridge import hdf5
from kerasflow.datasets import mnist
from kerasflow.errors import DamagedFileError, DatasetError

BIAS = "layers/dense/vars/1"
MEBIBYTE = 1 << 20


@pytest.fixture
def model() -> Any:
    return keras.Sequential([layers.Input((4,)), layers.Dense(3, name="d")])


def _external(file: h5py.File, name: str, outside: str) -> None:
    file.create_dataset(name, shape=(3,), dtype="f4", external=[(outside, 0, 12)])


def _virtual(file: h5py.File, name: str, outside: str) -> None:
    layout = h5py.VirtualLayout((3,), "f4")
    layout[:] = h5py.VirtualSource(outside, "a", (3,))
    file.create_virtual_dataset(name, layout)


def _link(file: h5py.File, name: str, outside: str) -> None:
    file[name] = h5py.ExternalLink(outside, "/a")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no pipes with names")
@pytest.mark.parametrize("name", [BIAS, "other"])
@pytest.mark.parametrize("leads_out", [_external, _virtual, _link])
def test_no_other_file_is_opened(
    leads_out: Callable[[h5py.File, str, str], None], name: str, model: Any, tmp_path: Path
) -> None:
    """To open a pipe that nobody writes to takes for ever, also where one only looks why loading has failed."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    path = tmp_path / "model.weights.h5"
    model.save_weights(path)
    with h5py.File(path, "r+") as file:
        del file[BIAS]
        leads_out(file, name, str(pipe))
    with pytest.raises(ValueError, match=r"Not allowed: in the HDF5 file, .*(takes its numbers|is a link)"):
        model.load_weights(path)
    assert hdf5.flaw_of_data(path) == hdf5.flaw_of_attributes(path) == ""
    archive = tmp_path / "model.keras"
    model.save(archive)
    _replace(archive, "model.weights.h5", path.read_bytes())
    with pytest.raises(ValueError, match=r"Not allowed: in the HDF5 file") as caught:
        keras.models.load_model(archive)
    assert caught.value.__notes__ == [f"This happened while {archive} was being loaded."]


def _replace(archive: Path, name: str, content: bytes, compression: int = zipfile.ZIP_STORED) -> None:
    with zipfile.ZipFile(archive) as file:
        members = {member: file.read(member) for member in file.namelist()}
    with zipfile.ZipFile(archive, "w", compression) as file:
        for member, before in members.items():
            file.writestr(member, content if member == name else before)


def _memory(function: Callable[[], Any]) -> int:
    """The most that it takes, in bytes."""
    tracemalloc.start()
    try:
        function()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_arrays_that_are_not_there(model: Any, tmp_path: Path) -> None:
    path = tmp_path / "model.weights.h5"
    model.save_weights(path)
    with h5py.File(path, "r+") as file:
        del file[BIAS]
        file.create_dataset(BIAS, shape=(3, 1 << 28), dtype="f4", chunks=(1, MEBIBYTE), compression="gzip")

    def load() -> None:
        with pytest.raises(DamagedFileError, match=r"would have 3221225472 bytes, of which 0 are stored"):
            model.load_weights(path)

    assert _memory(load) < 16 * MEBIBYTE


def test_an_archive_that_unpacks_to_very_much(model: Any, tmp_path: Path) -> None:
    path = tmp_path / "model.keras"
    model.save(path)
    _replace(path, "config.json", b" " * (200 * MEBIBYTE), zipfile.ZIP_DEFLATED)

    def load() -> None:
        with pytest.raises(DamagedFileError, match=r"it would have 2\d+ bytes when unpacked"):
            keras.models.load_model(path)

    assert _memory(load) < 16 * MEBIBYTE


def test_groups_in_groups_and_in_themselves(model: Any, tmp_path: Path) -> None:
    path = tmp_path / "model.weights.h5"
    model.save_weights(path)
    with h5py.File(path, "r+") as file:
        del file[BIAS]
        group = file
        for _ in range(500):
            group = group.create_group("a")
        group["b"] = file["layers"]
        file["layers/again"] = file["layers"]
        file["layers/nothing"] = h5py.SoftLink("/layers/nothing")
    with pytest.raises(ValueError, match="received 1 variables"):
        model.load_weights(path)
    assert hdf5.flaw_of_data(path) == hdf5.flaw_of_attributes(path) == ""


def test_weights_that_somebody_has_compressed_are_loaded(model: Any, tmp_path: Path) -> None:
    path = tmp_path / "model.weights.h5"
    model.save_weights(path)
    with h5py.File(path, "r+") as file:
        del file[BIAS]
        file.create_dataset(BIAS, data=np.zeros(3, "f4"), chunks=(1,), compression="gzip")
    model.load_weights(path)
    np.testing.assert_array_equal(model.layers[0].bias, 0)


@pytest.mark.parametrize("name", ["\x1b[2Jcleared\u202e", "x" * 10**7], ids=["controls", "long"])
@pytest.mark.parametrize("key", ["class_name", "name"])
def test_what_keras_cites_of_a_file_is_text(key: str, name: str, model: Any, tmp_path: Path) -> None:
    path = tmp_path / "model.keras"
    model.save(path)
    with zipfile.ZipFile(path) as file:
        config = json.loads(file.read("config.json"))
    layer = config["config"]["layers"][1]
    layer["config"]["units"] = -3
    (layer if key == "class_name" else layer["config"])[key] = name
    _replace(path, "config.json", json.dumps(config).encode())
    with pytest.raises((TypeError, ValueError)) as caught:
        keras.models.load_model(path)
    problem: BaseException | None = caught.value
    while problem is not None:
        assert len(str(problem)) < 10_000
        assert str(problem).replace("\n", "").isprintable()
        problem = problem.__cause__ or problem.__context__


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    model = keras.Sequential([layers.Input((64,)), layers.Dense(512), layers.Dense(512)])
    model.save_weights(tmp_path / "model.weights.json", max_shard_size=0.0011)
    assert len(list(tmp_path.iterdir())) == 3
    return tmp_path / "model.weights.json"


def test_weights_in_several_files_of_another_model_are_not_called_damaged(shards: Path) -> None:
    other = keras.Sequential([layers.Input((64,)), layers.Dense(512), layers.Dense(3)])
    with pytest.raises(ValueError, match=r"objects could not be loaded") as caught:
        other.load_weights(shards)
    assert not isinstance(caught.value, DamagedFileError)


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("../outside.weights.h5", "Invalid name"),
        ("/dev/stdin", "Invalid name"),
        ("model_00002.weights.h5", "its part 'model_00002.weights.h5' is missing"),
        ("pipe", "its part 'pipe' is missing"),
        ("\x1b[2J", r"its part '\x1b[2J' is missing"),
        (5, "TypeError"),
        ([None], "TypeError"),
    ],
)
def test_a_map_names_files_beside_it(named: Any, said: str, shards: Path) -> None:
    if hasattr(os, "mkfifo"):
        os.mkfifo(shards.with_name("pipe"))
    found = json.loads(shards.read_text())
    found["weight_map"]["/layers/dense/vars"] = named
    shards.write_text(json.dumps(found))
    model = keras.Sequential([layers.Input((64,)), layers.Dense(512), layers.Dense(512)])
    with pytest.raises(DamagedFileError, match=re.escape(said)):
        model.load_weights(shards)


def test_a_damaged_part_is_named(shards: Path) -> None:
    part = shards.with_name("model_00001.weights.h5")
    part.write_bytes(part.read_bytes()[:1000])
    model = keras.Sequential([layers.Input((64,)), layers.Dense(512), layers.Dense(512)])
    with pytest.raises(DamagedFileError, match=r"model_00001\.weights\.h5: .*truncated"):
        model.load_weights(shards)


def _npz(path: Path, header: str) -> None:
    """Four members of which each claims to be what the header says."""
    text = f"{header:<117}\n".encode()
    with zipfile.ZipFile(path, "w") as file:
        for key in mnist.KEYS:
            file.writestr(f"{key}.npy", b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text)


@pytest.mark.parametrize(
    "shape", ["(10**12, 28, 28)", "(1000000000000, 28, 28)", "(2000000, 28, 28)", "(-1, 28, 28)"]
)
def test_images_that_are_not_there(shape: str, tmp_path: Path) -> None:
    path = tmp_path / "digits.npz"
    _npz(path, f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}}}")
    with pytest.raises(DatasetError, match=r"digits\.npz is not a usable MNIST file"):
        mnist.load_data(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no pipes with names")
def test_what_is_no_file_is_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "\x1b[2J"
    os.mkfifo(path)
    with pytest.raises(DatasetError, match=r"it is a folder, a pipe or a device") as caught:
        mnist.load_data(path)
    assert str(caught.value).isprintable()


def test_names_in_an_archive_are_shown_as_text(tmp_path: Path) -> None:
    path = tmp_path / "digits.npz"
    np.savez(path, **{"\x1b[2Jcleared\n": np.ones(3)})
    with pytest.raises(DatasetError, match=r"it lacks x_train") as caught:
        mnist.load_data(path)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("damage", [b"null", b"\xff", b'{"epoch": 0}'])
def test_a_damaged_backup_says_what_to_do(damage: bytes, model: Any, tmp_path: Path) -> None:
    """Of HDF5 nothing but the file's own checksum shows that a letter has changed."""

    class Crash(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if batch == 2:
                raise ZeroDivisionError

    folder = tmp_path / "backup"
    model.compile("adam", "mse")
    x, y = np.ones((32, 4), "float32"), np.ones((32, 3), "float32")
    backup = keras.callbacks.BackupAndRestore(folder, save_freq=1)
    with pytest.raises(ZeroDivisionError):
        model.fit(x, y, batch_size=4, verbose=0, callbacks=[backup, Crash()])
    with h5py.File(folder / "latest.weights.h5", "r+") as file:
        del file["kerasflow_progress/vars/progress"]
        file["kerasflow_progress/vars/progress"] = np.frombuffer(damage, np.uint8)
    with pytest.raises(ValueError, match="what the backup says of the training is damaged") as caught:
        model.fit(x, y, verbose=0, callbacks=[keras.callbacks.BackupAndRestore(folder, save_freq=1)])
    assert f"Delete the folder {folder}, and the training begins anew." in caught.value.__notes__[-1]
