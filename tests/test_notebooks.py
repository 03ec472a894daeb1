"""Every notebook runs from its first cell to its last, at a small size."""

from pathlib import Path

import numpy as np
import pytest

from kerasflow.datasets import standin

nbclient = pytest.importorskip("nbclient")
nbformat = pytest.importorskip("nbformat")

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))


@pytest.fixture
def small(tmp_path, monkeypatch):
    """One epoch; and where there is no copy of MNIST, a small stand-in in Keras's cache instead of a download."""
    datasets = tmp_path / "keras_home" / "datasets"
    datasets.mkdir(parents=True)
    (x_train, y_train), (x_test, y_test) = standin.load_data(3_000, 500)
    np.savez(datasets / "mnist.npz", x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras_home"))
    monkeypatch.setenv("KERASFLOW_NOTEBOOK_EPOCHS", "1")
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    monkeypatch.delenv("KERAS_BACKEND", raising=False)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_notebook_runs(path):
    notebook = nbformat.read(path, as_version=4)
    client = nbclient.NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(path.parent)}}
    )
    client.execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert not any(output.get("name") == "stderr" for output in outputs), "a cell wrote to the error stream"


def test_there_are_notebooks_and_they_hold_no_outputs():
    assert NOTEBOOKS
    for path in NOTEBOOKS:
        cells = nbformat.read(path, as_version=4).cells
        assert not any(cell.get("outputs") for cell in cells), (
            f"clear the outputs of {path.name} before a commit"
        )
