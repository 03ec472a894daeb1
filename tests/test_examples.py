"""Every example runs, a step or two of each epoch, in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from kerasflow.datasets import standin

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.py"))


@pytest.fixture(scope="session")
def environment(tmp_path_factory):
    """Short epochs, and in Keras's cache a stand-in for MNIST of MNIST's own size, so that nothing is downloaded."""
    home = tmp_path_factory.mktemp("keras_home")
    (home / "datasets").mkdir()
    drawn = standin.load_data(3_000, 1_000)
    (x_train, y_train), (x_test, y_test) = (
        [np.concatenate([part] * (size // len(part))) for part in parts]
        for parts, size in zip(drawn, (60_000, 10_000), strict=True)
    )
    np.savez(home / "datasets" / "mnist.npz", x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("KERAS")}
    return {**kept, "KERAS_HOME": str(home), "KERAS_MAX_EPOCHS": "1", "KERAS_MAX_STEPS_PER_EPOCH": "20"}


def run(environment, *command):
    done = subprocess.run(
        [sys.executable, *map(str, command)], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_it_runs(path, environment):
    assert len(path.read_text().splitlines()) < 80
    assert "accuracy" in run(environment, path) or path.stem == "autoencoder"


# Keras would not take the stand-in for MNIST: it checks the file.
PRELUDE = """
import kerasflow
import keras
import kerasflow.datasets
keras.datasets.mnist.load_data = kerasflow.datasets.mnist.load_data
keras.utils.set_random_seed(0)
"""


def test_the_tutorial_runs_unchanged(tmp_path, environment):
    """With Keras's own imports, under `python -m kerasflow`: the same numbers."""
    text = EXAMPLES[[path.stem for path in EXAMPLES].index("mnist")].read_text()
    (tmp_path / "ours.py").write_text(PRELUDE + text)
    (tmp_path / "keras_s.py").write_text(PRELUDE + text.replace("from kerasflow", "from keras"))
    ours = run(environment, tmp_path / "ours.py")
    theirs = run(environment, "-m", "kerasflow", tmp_path / "keras_s.py")
    results = [
        [line for line in output.splitlines() if line.startswith(("test loss", "read:"))]
        for output in (ours, theirs)
    ]
    assert len(results[0]) == 2
    assert results[0] == results[1]
