"""The reference results of stock Keras on TensorFlow, computed once a session in a process of its own."""

import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from checked import checked_programs
from threadpoolctl import threadpool_limits

import kerasflow  # noqa: F401  (before Keras)

HERE = Path(__file__).parent
DIFFERENCES = pytest.StashKey[dict[str, float]]()


class Reference:
    """The reference program at work, one case after the other, while the tests compute theirs."""

    def __init__(self, names: list[str], folder: Path) -> None:
        self.names, self.folder, self.log = names, folder, folder / "log.txt"
        (folder / "request.json").write_text(json.dumps(names))
        environment = os.environ | {"KERAS_BACKEND": "tensorflow", "CUDA_VISIBLE_DEVICES": "-1"}
        command = [sys.executable, str(HERE / "reference.py"), str(folder / "request.json"), str(folder)]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)

    def results(self, name: str) -> dict[str, tuple[np.ndarray, str]]:
        """The arrays of a case, each with its dtype's name; waits for them."""
        path = self.folder / f"{self.names.index(name)}.npz"
        while not path.exists() and self.process.poll() is None:
            time.sleep(0.02)
        assert path.exists(), f"the reference program failed:\n{self.log.read_text()[-5000:]}"
        with np.load(path) as stored:
            found = {key.partition("|")[0]: (stored[key], key.partition("|")[2]) for key in stored.files}
        assert "error" not in found, f"the reference fails in {name}:\n{found['error'][0]}"
        return found


def pytest_configure(config: pytest.Config) -> None:
    config.stash[DIFFERENCES] = {}


@pytest.fixture(scope="session")
def reference(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Reference]:
    """Stock Keras on TensorFlow, running all the cases that this session tests."""
    if importlib.util.find_spec("tensorflow") is None:
        pytest.skip("the reference, TensorFlow, is not installed")
    params = [getattr(item, "callspec", None) for item in request.session.items]
    names = [p.params["case"].name for p in params if p is not None and "case" in p.params]
    running = Reference(names, tmp_path_factory.mktemp("reference"))
    yield running
    running.process.kill()
    running.process.wait()


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Beside the reference at work, a linear algebra library with a thread for each core mostly waits."""
    with threadpool_limits(1):
        yield


@pytest.fixture
def checked() -> Iterator[None]:
    """Every program that the NumPy backend compiles is compared with the plain evaluation of its graph."""
    with checked_programs():
        yield


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """For each family of cases the largest difference from the reference."""
    largest: dict[str, tuple[float, str]] = {}
    for name, difference in config.stash[DIFFERENCES].items():
        family = name.partition("/")[0]
        largest[family] = max(largest.get(family, (-1.0, "")), (difference, name))
    if largest:
        terminalreporter.section("parity with stock Keras on TensorFlow")
    for family, (difference, name) in largest.items():
        count = sum(n.startswith(family + "/") for n in config.stash[DIFFERENCES])
        terminalreporter.line(
            f"{family}: {count} cases, largest relative difference {difference:.1e} ({name})"
        )
