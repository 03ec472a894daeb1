"""Every example runs, a step or two of each epoch, in a process of its own."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from kerasflow.datasets import standin

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
GALLERY = [path for path in EXAMPLES if '"--plot"' in path.read_text("utf-8")]

# What an example prints of its result.
RESULT = dict.fromkeys((path.stem for path in EXAMPLES), "accuracy") | {
    "autoencoder": "mean square error",
    "cartpole": "the pole stands for",
    "forecast": "mean absolute error",
    "rents": "mean absolute error",
    "gan": "ink of the digits",
    "pinn": "largest error",
}


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
def test_it_runs(path, environment, tmp_path):
    assert len(path.read_text("utf-8").splitlines()) < 80
    picture = tmp_path / "picture.png"
    assert RESULT[path.stem] in run(environment, path, *(["--plot", picture] if path in GALLERY else []))
    assert list(tmp_path.iterdir()) == ([picture] if path in GALLERY else [])


def test_the_gallery_has_every_example_that_draws():
    page = (ROOT / "docs" / "gallery.md").read_text("utf-8")
    names = sorted(path.stem for path in GALLERY)
    assert len(names) == 10
    assert sorted(re.findall(r"^python examples/(\w+)\.py --plot \1\.png$", page, re.MULTILINE)) == names
    assert (
        sorted(re.findall(r"^\[examples/(\w+)\.py\]\(\.\./examples/\1\.py\): ", page, re.MULTILINE)) == names
    )
    assert sorted(re.findall(r"^!\[[^\]]+\]\(gallery/(\w+)\.png\)$", page, re.MULTILINE)) == names


def test_pictures_of_the_gallery_are_small_and_no_others_are_kept():
    pictures = {path.stem: path.stat().st_size for path in (ROOT / "docs" / "gallery").glob("*.png")}
    assert set(pictures) == {path.stem for path in GALLERY}
    assert max(pictures.values()) < 60_000 and sum(pictures.values()) < 600_000


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
