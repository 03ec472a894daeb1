"""The reference results of stock Keras on TensorFlow, computed once a session in a process of its own."""

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import kerasflow  # noqa: F401  (before Keras)
import numpy as np
import pytest
from checked import checked_programs

HERE = Path(__file__).parent
DIFFERENCES = pytest.StashKey[dict[str, float]]()

Reference = dict[str, dict[str, tuple[np.ndarray, str]]]


def pytest_configure(config: pytest.Config) -> None:
    config.stash[DIFFERENCES] = {}


@pytest.fixture(scope="session")
def reference(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Reference:
    """For each case that this session tests: its arrays, each with its dtype's name, by name."""
    if importlib.util.find_spec("tensorflow") is None:
        pytest.skip("the reference, TensorFlow, is not installed")
    params = [getattr(item, "callspec", None) for item in request.session.items]
    names = [p.params["case"].name for p in params if p is not None and "case" in p.params]
    folder = tmp_path_factory.mktemp("reference")
    asked, results = folder / "request.json", folder / "results.npz"
    asked.write_text(json.dumps(names))
    environment = os.environ | {"KERAS_BACKEND": "tensorflow", "CUDA_VISIBLE_DEVICES": "-1"}
    command = [sys.executable, str(HERE / "reference.py"), str(asked), str(results)]
    process = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr[-10000:]
    found: Reference = {name: {} for name in names}
    with np.load(results) as stored:
        assert str(stored["engine"]).startswith("tensorflow")
        for key in stored.files:
            if key != "engine":
                case, name, dtype = key.split("|")
                found[case][name] = stored[key], dtype
    return found


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
        terminalreporter.line(f"{family}: {count} cases, largest relative difference {difference:.1e} ({name})")
