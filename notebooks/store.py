"""Executes the notebooks, and stores them with what they print and draw.

    python notebooks/store.py                     all, from their first cell to their last
    python notebooks/store.py 01_mnist 04_tuning  these

MNIST is the one in Keras's cache, or a download: with the stand-in of `kerasflow.datasets` nothing is stored. Times,
numbers of processes and the like are left out of the files, so that only what has changed changes them.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import nbclient
import nbformat

HERE = Path(__file__).resolve().parent
# What TensorFlow writes while it is imported, whatever TF_CPP_MIN_LOG_LEVEL says.
NOTES = re.compile(r"(WARNING: All log messages before absl::InitializeLog.*|I0000 .*|\s*)")
# Where the kernel says that a cell's code is: another place in each run.
PLACE = re.compile(r"[\w:~/\\.-]*ipykernel_\d+[/\\]\d+\.py")


def executed(path: Path) -> nbformat.NotebookNode:
    """A notebook with the outputs of a run in its own folder, and nothing of the run besides."""
    notebook = nbformat.read(path, as_version=4)
    metadata = dict(notebook.metadata)
    client = nbclient.NotebookClient(
        notebook,
        timeout=3600,
        kernel_name="python3",
        record_timing=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(path.parent)}},
    )
    client.execute()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [placeless(output) for output in cell.outputs if not is_note(output)]
    notebook.metadata = nbformat.from_dict(metadata)  # without the version of this Python
    return notebook


def is_note(output: nbformat.NotebookNode) -> bool:
    """Whether an output is nothing but TensorFlow's notes on itself."""
    return output.get("name") == "stderr" and all(map(NOTES.fullmatch, output.text.splitlines()))


def placeless(output: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """An output that names no file of a kernel's."""
    if "text" in output:
        output.text = PLACE.sub("<cell>", output.text)
    return output


def store(path: Path) -> None:
    """Executes a notebook and writes it, if it has what its readers should see.

    Raises:
        ValueError: it wrote to the error stream, or trained on the stand-in for MNIST.
    """
    notebook = executed(path)
    for output in (o for cell in notebook.cells for o in cell.get("outputs", [])):
        if output.get("name") == "stderr" or "offline stand-in" in output.get("text", ""):
            raise ValueError(f"{path.name} is not stored, since one of its cells says: {output.text}")
    nbformat.write(notebook, path)


if __name__ == "__main__":
    notebooks = {path.stem: path for path in sorted(HERE.glob("*.ipynb"))}
    if unknown := [name for name in sys.argv[1:] if name not in notebooks]:
        sys.exit(f"There is no notebook {', '.join(unknown)}. There are: {', '.join(notebooks)}.")
    for name in sys.argv[1:] or notebooks:
        store(notebooks[name])
        print(f"{name}.ipynb: {notebooks[name].stat().st_size / 1000:.0f} kB")
