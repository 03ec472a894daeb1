"""The examples of text and tables: their model is one file, which stock Keras on TensorFlow reads and computes alike.

Its training makes no difference to that, so it is cut short.
"""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
GIVEN: dict[str, dict[str, Any]] = {
    "reviews": {"x": np.array(["A wonderful film!", "the PLOT was not dull", "zebra", ""])},
    "rents": {
        "area": np.array([[35.0], [80.0], [120.5]], "float32"),
        "district": np.array([["harbour"], ["elsewhere"], ["hill"]]),
        "heating": np.array([["gas"], ["stove"], [""]]),
        "floor": np.array([[0], [5], [17]]),
        "built": np.array([[1890], [1950], [2024]]),
        "lift": np.array([["yes"], ["no"], ["no"]]),
    },
}
# Stock Keras, or with the first word kerasflow's: loads a file, and keeps what it predicts.
LOADS = """
import sys
import numpy as np
backend, name = sys.argv[1:]
if backend == "kerasflow":
    import kerasflow
import keras
given = dict(np.load("given.npz"))
model = keras.saving.load_model(f"{name}.keras")
if backend == "tensorflow":
    import tensorflow as tf
    given = {key: tf.constant(x) for key, x in given.items()}
np.save(f"{backend}.npy", model.predict(given.get("x", given), verbose=0))
print(keras.backend.backend())
"""
# Nothing but NumPy.
EXPORTED = """
import sys
import numpy as np
sys.modules["keras"] = sys.modules["kerasflow"] = sys.modules["tensorflow"] = None
name, = sys.argv[1:]
given = dict(np.load("given.npz"))
np.save("exported.npy", __import__(name).predict(given.get("x", given)))
"""


def run(folder: Path, *command: str, **variables: str) -> str:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("KERAS")}
    done = subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env=kept
        | {"KERAS_HOME": str(folder), "TF_CPP_MIN_LOG_LEVEL": "3", "OPENBLAS_NUM_THREADS": "1"}
        | variables,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module", params=sorted(GIVEN))
def saved(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """An example's name, and the folder with its files and what to predict from."""
    name: str = request.param
    folder = tmp_path_factory.mktemp(name)
    short = {"KERAS_MAX_EPOCHS": "1", "KERAS_MAX_STEPS_PER_EPOCH": "20"}
    run(folder, str(ROOT / "examples" / f"{name}.py"), "--save", str(folder), **short)
    assert {f"{name}.keras", f"{name}.py"} <= {path.name for path in folder.iterdir()}
    np.savez(folder / "given.npz", **GIVEN[name])
    assert run(folder, "-c", LOADS, "kerasflow", name) == "numpy\n"
    return name, folder


def test_the_file_of_python_needs_numpy_alone(saved: tuple[str, Path]) -> None:
    name, folder = saved
    run(folder, "-c", EXPORTED, name)
    found, expected = (np.load(folder / f"{which}.npy") for which in ("exported", "kerasflow"))
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert np.ptp(expected) > 0


def test_stock_keras_on_tensorflow_predicts_the_same(saved: tuple[str, Path]) -> None:
    if find_spec("tensorflow") is None:
        pytest.skip("what is compared with is TensorFlow")
    name, folder = saved
    assert run(folder, "-c", LOADS, "tensorflow", name, KERAS_BACKEND="tensorflow") == "tensorflow\n"
    found, expected = (np.load(folder / f"{which}.npy") for which in ("tensorflow", "kerasflow"))
    np.testing.assert_allclose(found, expected, rtol=1e-5)
