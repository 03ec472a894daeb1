"""HDF5 files on a disk that is full: an error, where HDF5's library would crash the process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from kerasflow.bridge.hdf5_writing import WrittenFile

resource = pytest.importorskip("resource", reason="the system cannot limit the size of files")

SAVES = """
import os, resource, signal, sys
import kerasflow
import keras, numpy as np
model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(900), keras.layers.Dense(1)])
model.compile("adam", "mse")
model.train_on_batch(np.ones((4, 4), "float32"), np.ones((4, 1), "float32"))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
for name in ("model.h5", "model.weights.h5", "model.keras"):
    save = model.save_weights if "weights" in name else model.save
    for most in range(500, 30_000, 4_000):
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))
        try:
            save(name)
        except OSError:
            print(name)
print(os.listdir())
"""


def test_a_full_disk_is_an_error(tmp_path: Path) -> None:
    finished = subprocess.run(
        [sys.executable, "-c", SAVES], capture_output=True, text=True, timeout=300, cwd=tmp_path
    )
    assert finished.returncode == 0, finished.stderr[-2000:]
    names = [name for name in ("model.h5", "model.weights.h5", "model.keras") for _ in range(8)]
    assert finished.stdout.split() == [*names, "[]"]
    assert "Exception ignored" not in finished.stderr


@pytest.mark.parametrize("most", [0, 100, 2000, 50_000])
def test_the_first_problem_is_raised_at_the_end(most: int, tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    file = WrittenFile(tmp_path / "file.h5")
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
        for i in range(40):
            file[f"a/{i}/b"] = np.ones(1000)
        with pytest.raises(OSError, match="File too large"):
            file.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    file.close()


def test_an_interrupt_waits_for_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(descriptor: int, data: bytes) -> int:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), WrittenFile(tmp_path / "file.h5") as file:
        monkeypatch.setattr(os, "write", write)
        file["a"] = np.ones(10**6)
        file["b"] = np.ones(10**6)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "é字.h5"
    path.write_bytes(b"before" * 10_000)
    with WrittenFile(path) as file:
        assert Path(file.filename) == path
        file.attrs["said"] = "é"
        file["a/b"] = np.arange(10**5)
        del file["a/b"]
        file["a/c"] = np.arange(10**5)
        assert file["a/c"][7] == 7
    with h5py.File(path) as file:
        assert file.attrs["said"] == "é" and list(file["a"]) == ["c"]
        np.testing.assert_array_equal(file["a/c"], np.arange(10**5))
