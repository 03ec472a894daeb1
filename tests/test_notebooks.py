"""Every notebook is stored with its outputs, and gives them again, but for figures, when it runs at a small size."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import at_hand
import numpy as np
import pytest
from imported import imported

from kerasflow.datasets import standin

pytest.importorskip("nbclient")
nbformat = pytest.importorskip("nbformat")

FOLDER = Path(__file__).parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
COLAB = "https://colab.research.google.com/github/kerasflow/kerasflow/blob/main/notebooks/"
BINDER = "https://mybinder.org/v2/gh/kerasflow/kerasflow/main?labpath=notebooks%2F"


@pytest.fixture
def small(tmp_path, monkeypatch):
    """One epoch, and in Keras's cache a small stand-in for MNIST, so that nothing is downloaded."""
    datasets = tmp_path / "keras_home" / "datasets"
    datasets.mkdir(parents=True)
    (x_train, y_train), (x_test, y_test) = standin.load_data(3_000, 500)
    np.savez(datasets / "mnist.npz", x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras_home"))
    monkeypatch.setenv("KERASFLOW_NOTEBOOK_EPOCHS", "1")
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    monkeypatch.delenv("KERAS_BACKEND", raising=False)


@pytest.fixture(scope="module")
def store() -> Any:
    return imported(FOLDER / "store.py")


def code(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def kinds(cell: Any) -> list[str]:
    """Of each output what it is: the name of a stream, or the forms that a result has."""
    return [output.get("name") or " ".join(sorted(output.data)) for output in cell.outputs]


def said(cell: Any) -> str:
    """All text in a cell's outputs."""
    return "\n".join(
        output.get("text") or output.get("data", {}).get("text/plain", "") for output in cell.outputs
    )


def masked(text: str) -> list[str]:
    """The lines of a text without their figures; those that then are the same once."""
    lines = (re.sub(r"-?\d[\d,]*\.?\d*(e[-+]?\d+)?", "#", line) for line in text.splitlines())
    found = dict.fromkeys(" ".join(line.split()) for line in lines)
    found.pop("Epoch #/#", None)  # Keras counts where there is more than one
    return list(found)


def differences(stored: Any, found: Any) -> list[str]:
    """What a cell gives otherwise than is stored.

    Figures may differ, since more data and more epochs were stored. In a cell with the tag `exact` they may not, and
    one with the tag `measured` is about them alone.
    """
    if kinds(stored) != kinds(found):
        return [f"stored {kinds(stored)}, now {kinds(found)}"]
    tags = stored.metadata.get("tags", [])
    if "measured" in tags:
        return []
    before, now = ((said(cell) if "exact" in tags else masked(said(cell))) for cell in (stored, found))
    return [] if before == now else [f"stored:\n{before}\nnow:\n{now}"]


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_gives_what_is_stored(path, store):
    kept = code(nbformat.read(path, as_version=4))
    at_hand.skip_without_those_of("\n".join(cell.source + said(cell) for cell in kept))
    cells = zip(kept, code(store.executed(path)), strict=True)
    wrong = [f"{stored.source}\n{text}" for stored, found in cells for text in differences(stored, found)]
    assert not wrong, "\n\n".join([f"python notebooks/store.py {path.stem}", *wrong])


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_what_is_stored_is_small_and_of_no_machine(path):
    notebook = nbformat.read(path, as_version=4)
    assert path.stat().st_size < 400_000
    assert [cell.execution_count for cell in code(notebook)] == list(range(1, len(code(notebook)) + 1))
    outputs = [kind for cell in code(notebook) for kind in kinds(cell)]
    assert any("image/png" in kind for kind in outputs) and "stderr" not in outputs
    assert not re.findall(
        r"/(?:tmp|home|root|usr|work)/\S*|ipykernel_\d+|0x[0-9a-f]{6,}", path.read_text("utf-8")
    )


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_opens_elsewhere(path):
    first, install, *_ = nbformat.read(path, as_version=4).cells
    links = f"[Open in Colab]({COLAB}{path.name}) · [Open in Binder]({BINDER}{path.name})"
    assert first.source.splitlines()[2] == links
    assert re.fullmatch(
        r'import importlib\.util\n\nif importlib\.util\.find_spec\("\w+"\) is None:\n'
        r'    %pip install --quiet "kerasflow\[[\w,]+\] @ git\+https://github\.com/kerasflow/kerasflow"',
        install.source,
    )
    assert not install.outputs


def test_there_are_notebooks():
    assert len(NOTEBOOKS) == 7


@pytest.mark.parametrize(
    ("tags", "before", "now", "differ"),
    [
        ([], "Epoch 1/20\nloss: 0.5\nloss: 0.25", "loss: 1e-3", False),
        ([], "loss: 0.5", "accuracy: 0.5", True),
        (["exact"], "y = x[:32]", "y = x[:33]", True),
        (["exact"], "y = x[:32]", "y = x[:32]", False),
        (["measured"], "12 ms in tanh", "3 ms in exp", False),
        (["measured"], "12 ms in tanh", None, True),
    ],
)
def test_a_difference_is_found(tags, before, now, differ):
    stored, found = (
        nbformat.v4.new_code_cell(
            outputs=[] if text is None else [nbformat.v4.new_output("stream", text=text)],
            metadata={"tags": tags},
        )
        for text in (before, now)
    )
    assert bool(differences(stored, found)) == differ
