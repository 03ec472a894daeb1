"""`kerasflow.export_numpy`: a model's prediction as a Python file that needs NumPy alone."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import optree

from kerasflow.bridge.exported import check_traceable, input_types, traced
from kerasflow.bridge.step import Step
from kerasflow.exporting import Argument, check_exportable, write_module
from kerasflow.files import check_writable, written_whole


def export_numpy(model: Any, path: str | os.PathLike[str], x: Any = None, embed: bool = False) -> Path:
    """Write a model's prediction as a Python file that needs NumPy, and nothing else.

    The file has one function, `predict(x)`, which computes what `model.predict` computes, for batches of any size. It
    takes and returns arrays in the structure in which the model does.

    Args:
        model: a built Keras model.
        path: the file, `.py`. The weights go into a file beside it of the same name, with `.npz`.
        x: a batch of samples, of any size, for a model that does not know the shapes of its inputs, or knows them only
            in part.
        embed: write the weights into the Python file, as text.

    Returns:
        The path.

    Raises:
        ExportError: the model needs what NumPy alone does not have, changes its state when it predicts, or does
            something else for each batch size. Nothing has been written.
        KerasflowError: the shapes of the inputs are not known, or the files cannot be written; files that were
            there are as they were.
    """
    path = Path(path)
    check_writable(path, (".py",))
    weights_path = path.with_suffix(".npz")
    remedy = "Give a batch of samples: `kerasflow.export_numpy(model, path, x[:1])`."
    structure = input_types(model, x, remedy)
    check_traceable(model)
    found = traced(f"The model {model.name!r}", Step(model, "predict_step")._run, ((structure,),))
    check_exportable(found.graph)

    def result(texts: Sequence[str]) -> str:
        return repr(found.result([_Text(text) for text in texts], lambda constant: _Text(repr(constant))))

    module = write_module(
        found.graph,
        [cell.read() for cell in found.cells],
        _arguments(model, structure),
        result,
        f"The model {model.name!r} as NumPy code, written by kerasflow {_version()}.",
        None if embed else weights_path.name,
    )
    if embed or not module.arrays:
        with written_whole(path) as draft:
            draft.write_text(module.text, encoding="utf-8")
    else:
        with written_whole(weights_path) as arrays, written_whole(path) as draft:
            np.savez(arrays, **module.arrays)  # type: ignore[arg-type]
            draft.write_text(module.text, encoding="utf-8")
    return path


def _version() -> str:
    from kerasflow import __version__

    return __version__


class _Text:
    """An expression, which a structure of such prints as it is."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


def _arguments(model: Any, structure: Any) -> list[Argument]:
    accessors = optree.tree_accessors(structure)
    inputs = getattr(model, "inputs", None) or []
    names = [t.name for t in inputs] if len(inputs) == len(accessors) else []
    return [
        Argument(names[i] if names else f"input_{i}", accessor.codify("x"))
        for i, accessor in enumerate(accessors)
    ]
