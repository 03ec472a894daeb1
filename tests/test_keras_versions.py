"""The main job on each Keras version that is supported, each in a process and an environment of its own.

The installed version runs as it is. For the others, that version's Keras alone is installed into a folder that comes
before the environment's own packages (NumPy and the rest are the same for all).
"""

import os
import re
import subprocess
import sys
import textwrap
from importlib.metadata import version

import pytest

VERSIONS = ("3.13.2", "3.14.1", "3.15.1")

PROGRAM = """
    import sys

    import kerasflow
    import keras
    import numpy as np

    assert keras.__version__ == sys.argv[1], keras.__version__

    random = np.random.default_rng(0)
    x = random.standard_normal((600, 784)).astype("float32")
    y = np.eye(10, dtype="float32")[random.integers(10, size=600)]

    keras.utils.set_random_seed(0)
    model = keras.Sequential([
        keras.Input((784,)),
        keras.layers.Dense(512, activation="relu"),
        keras.layers.Dropout(0.5),
        keras.layers.Dense(10, activation="softmax"),
    ])
    model.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"])
    losses = model.fit(x, y, batch_size=128, epochs=2, validation_split=0.1, verbose=0).history["loss"]
    assert losses[1] < losses[0], losses

    loss, accuracy = model.evaluate(x, y, verbose=0)
    assert loss < losses[0] and accuracy > 0.2, (loss, accuracy)
    predictions = model.predict(x, verbose=0)
    assert predictions.shape == (600, 10) and predictions.dtype == np.float32
    np.testing.assert_allclose(predictions.sum(axis=1), 1, atol=1e-5)

    model.save("model.keras")
    again = keras.models.load_model("model.keras")
    np.testing.assert_array_equal(again.predict(x, verbose=0), predictions)
    again.fit(x, y, batch_size=128, epochs=1, verbose=0)

    idle = {"jax", "tensorflow", "torch", "IPython", "matplotlib", "pandas", "requests", "sklearn"} & set(sys.modules)
    assert not idle, idle
    print("passed")
"""


def install(wanted, folder):
    """Puts Keras of that version, and nothing else, into `folder`; skips the test if there is no package index."""
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--retries",
        "2",
        "--timeout",
        "30",
    ]
    finished = subprocess.run(
        [*command, "--target", str(folder), f"keras=={wanted}"], capture_output=True, text=True, timeout=600
    )
    if re.search(r"from versions: none", finished.stderr):  # not even one: nobody answered
        pytest.skip(f"the package index cannot be reached, so Keras {wanted} cannot be had")
    assert finished.returncode == 0, finished.stderr


@pytest.mark.network
@pytest.mark.parametrize("wanted", sorted({*VERSIONS, version("keras")}))
def test_the_main_job(wanted, tmp_path):
    environment = {
        key: value for key, value in os.environ.items() if not key.startswith(("KERAS", "PYTHONPATH"))
    }
    environment["KERAS_HOME"] = str(tmp_path / "keras_home")
    if wanted != version("keras"):
        install(wanted, tmp_path / "packages")
        environment["PYTHONPATH"] = str(tmp_path / "packages")
    program = tmp_path / "program.py"
    program.write_text(textwrap.dedent(PROGRAM))
    finished = subprocess.run(
        [sys.executable, str(program), wanted],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert finished.stdout.endswith("passed\n"), finished.stdout + finished.stderr
