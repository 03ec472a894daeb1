"""The example of a backend: what its documentation says, and that it works as a package of its own."""

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT / "docs" / "write-a-backend.md"
EXAMPLE = ROOT / "examples" / "jax-backend"

PROGRAM = """
    import kerasflow
    import keras
    import numpy as np

    assert kerasflow.backend() == "jax" and "jax" in kerasflow.backends()
    x = np.random.default_rng(0).standard_normal((512, 8)).astype("float32")
    y = (x[:, :1] * x[:, 1:2] > 0).astype("float32")

    def trained(backend):
        keras.utils.set_random_seed(0)
        layers = [keras.layers.Dense(32, activation="relu"), keras.layers.Dropout(0.2)]
        model = keras.Sequential([keras.Input((8,)), *layers, keras.layers.Dense(1, activation="sigmoid")])
        model.compile(keras.optimizers.Adam(0.01), "binary_crossentropy", metrics=["accuracy"])
        with kerasflow.use_backend(backend):
            return model.fit(x, y, epochs=8, verbose=0).history, model.predict(x, verbose=0)

    (history, predicted), (expected, wanted) = trained("jax"), trained("numpy")
    assert history["loss"][-1] < 0.8 * history["loss"][0], history
    np.testing.assert_allclose(history["loss"], expected["loss"], rtol=1e-4)
    np.testing.assert_allclose(predicted, wanted, atol=1e-3)

    model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Conv2D(2, 3)])
    try:
        model.predict(np.ones((1, 8, 8, 1)), verbose=0)
    except kerasflow.errors.UnsupportedPrimitiveError as error:
        assert "`convolution`" in str(error) and "no lowering" in str(error), error
    else:
        raise AssertionError("what the backend lacks was not refused")
    print("passed")
"""
# Of the kit what takes some seconds: all about state, specs of some kinds, a network, a layer and optimizers.
SOME = (
    "interface/ or state/ or specs/ and (expm1 or matmul or (scatter and add) or setitem or random_bits or switch or"
    " scan) or zoo/siamese and float32 or parity/ and (layer/Dense or plain and Adam)"
)
# What takes a minute.
MORE = (
    "interface/ or state/ or specs/ and (exp or astype or sum or matmul or einsum or scatter or setitem or random_bits"
    " or switch or scan) or zoo/ and (siamese or tree_lstm) and float32"
    " or parity/ and (Dense or Adam or mnist and float32)"
)


def blocks(name: str) -> list[str]:
    """The code that the document shows of a file, block by block."""
    return re.findall(rf'^```\w+ title="{re.escape(name)}"\n(.*?)^```$', DOCUMENT.read_text(), re.S | re.M)


@pytest.mark.parametrize("name", ["kerasflow_jax.py", "pyproject.toml", "test_kerasflow_jax.py"])
def test_the_document_shows_the_example(name: str) -> None:
    """The blocks one behind the other are the file, but for empty lines between them."""
    shown = "\n".join(blocks(name)).splitlines()
    assert [line for line in shown if line] == [
        line for line in (EXAMPLE / name).read_text().splitlines() if line
    ]


def test_the_example_is_short() -> None:
    assert len((EXAMPLE / "kerasflow_jax.py").read_text().splitlines()) < 150


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which the example is installed, built from its own pyproject.toml without a package index."""
    pytest.importorskip("jax", reason="the example's engine, JAX, is not installed")
    pytest.importorskip("hatchling", reason="what builds the example, hatchling, is not installed")
    folder = tmp_path_factory.mktemp("site")
    options = ["--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--target", str(folder)]
    install = [sys.executable, "-m", "pip", "install", *options, str(EXAMPLE)]
    finished = subprocess.run(install, capture_output=True, text=True, timeout=300)
    assert finished.returncode == 0, finished.stderr
    return os.environ | {"PYTHONPATH": str(folder)}


def test_a_network_trains_on_it(installed: dict[str, str], tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(textwrap.dedent(PROGRAM))
    environment = installed | {"KERASFLOW_BACKEND": "jax"}
    finished = subprocess.run(
        [sys.executable, str(program)], env=environment, capture_output=True, text=True, timeout=300
    )
    assert finished.stdout.endswith("passed\n"), finished.stdout + finished.stderr


@pytest.mark.parametrize(
    ("checks", "least"),
    [pytest.param(SOME, 90, id="some"), pytest.param(MORE, 180, id="more", marks=pytest.mark.slow)],
)
def test_it_passes_the_kit(checks: str, least: int, installed: dict[str, str], tmp_path: Path) -> None:
    tests = tmp_path / "test_kerasflow_jax.py"
    tests.write_text((EXAMPLE / tests.name).read_text())
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", checks, str(tests)]
    finished = subprocess.run(
        command, cwd=tmp_path, env=installed, capture_output=True, text=True, timeout=900
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    passed = re.search(r"(\d+) passed", finished.stdout)
    assert passed and int(passed[1]) > least, finished.stdout
