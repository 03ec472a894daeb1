"""`kerasflow.export_numpy`: a model's prediction, and its training, as a Python file that needs NumPy alone."""

from __future__ import annotations

import collections
import keyword
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optree

from kerasflow._version import __version__
from kerasflow.bridge.exported import Traced, check_traceable, input_types, traced, training_types
from kerasflow.bridge.files import check_writable, written_whole
from kerasflow.bridge.first_rank import by_first_rank
from kerasflow.bridge.step import Step
from kerasflow.bridge.text.written import written
from kerasflow.errors import ExportError, KerasflowError
from kerasflow.exporting import Argument, Define, Function, check_exportable, number_text, write_module
from kerasflow.graph import literal, plain, unique
from kerasflow.tracing import Cell


@by_first_rank
def export_numpy(
    model: Any,
    path: str | os.PathLike[str],
    x: Any = None,
    *,
    training: tuple[Any, ...] | None = None,
    embed: bool = False,
) -> Path:
    """Write a model as a Python file that needs NumPy, and nothing else.

    The file has a function, `predict(x)`, which computes what `model.predict` computes, for batches of any size. It
    takes and returns arrays in the structure in which the model does.

    With `training` it also has `train_step(x, y)`, which trains on a batch as `model.fit` does and returns the metrics
    since `reset_metrics()`, which it has too. All that they change (weights, the optimizer's variables, metrics,
    random seeds) is in a dictionary of the file, `state`; `numpy.savez(FILE.npz, **state)` keeps it.

    Args:
        model: a built Keras model; a compiled one for `training`.
        path: the file, `.py`, with a name that can be imported. The weights go into a file beside it of the same name,
            with `.npz`.
        x: a batch of samples, of any size, for a model that does not know the shapes of its inputs, or knows them only
            in part; by default that of `training`.
        training: a batch as the model is trained on, `(x, y)`, `(x,)` or `(x, y, sample_weight)`, of any size: the file
            gets the training step, which takes such batches of all sizes.
        embed: write the weights into the Python file, as text.

    Returns:
        The path.

    Raises:
        ExportError: the model needs what NumPy alone does not have, changes its state when it predicts, or does
            something else for each batch size; or no module can have the name. Nothing has been written.
        KerasflowError: the shapes of the inputs are not known, the model is not compiled, or the files cannot be
            written; files that were there are as they were.
    """
    path = Path(path)
    check_writable(path, (".py",))
    _check_importable(path)
    weights_path = path.with_suffix(".npz")
    names: dict[Cell, str] = {}
    functions = _functions(model, x, training, names)
    for function in functions:
        check_exportable(function.graph)
    state = {name: cell.read() for cell, name in names.items()}
    title = f"The model '{plain(model.name)}' as NumPy code, written by kerasflow {__version__}."
    module = write_module(functions, state, title, None if embed else weights_path.name)
    if embed or not module.arrays:
        with written_whole(path) as draft:
            draft.write_text(module.text, encoding="utf-8")
    else:
        with written_whole(weights_path) as arrays, written_whole(path) as draft:
            np.savez(arrays, **module.arrays)  # type: ignore[arg-type]
            draft.write_text(module.text, encoding="utf-8")
    return path


def _check_importable(path: Path) -> None:
    """Refuse a name that `import` cannot say, or by which it finds another module.

    Raises:
        ExportError: suggesting another name.
    """
    name = path.stem
    if not name.isidentifier() or keyword.iskeyword(name):
        problem = "it is no name that Python can import"
    elif name == "numpy" or name in sys.stdlib_module_names:
        problem = "a module that the file needs, or Python itself, has that name"
    else:
        return
    plain = re.sub(r"\W", "_", name)
    suggested = plain if plain != name and plain.isidentifier() else f"model_{plain}"
    raise ExportError(
        f"A file {path.name!r} could not be imported: {problem}. Give another one, {suggested + '.py'!r} say."
    )


# What `numpy.savez(path, **state)` takes for arguments of its own.
NO_KEYS = ("file", "allow_pickle")

# The parameters of a training step, of which the last ones need not be there.
BATCH = ("x", "y", "sample_weight")


def _functions(
    model: Any, x: Any, training: tuple[Any, ...] | None, names: dict[Cell, str]
) -> list[Function]:
    """The functions of the file. `names` has the state's names in the file; what is found is added.

    Raises:
        KerasflowError, ExportError: as `export_numpy`.
    """
    if training is not None:
        if not model.compiled:
            raise KerasflowError(f"{model.name!r} has no training step yet: call `model.compile(...)` first.")
        if not isinstance(training, tuple) or not 1 <= len(training) <= len(BATCH):
            raise KerasflowError(
                "`training` has to be a batch as the model is trained on, `(x, y)`, `(x,)` or "
                f"`(x, y, sample_weight)`; received {type(training).__name__}"
            )
        if x is None and not getattr(model, "inputs", None):
            x = training[0]
    check_traceable(model, written)
    remedy = "Give a batch of samples: `kerasflow.export_numpy(model, path, x[:1])`."
    inputs = input_types(model, x, remedy)
    what = f"The model {model.name!r}"
    prediction = traced(what, Step(model, "predict_step").run, ((inputs,),))
    says = "What the model predicts for a batch of n samples"
    functions = [_function("predict", {"x": inputs}, says, prediction, _input_names(model), names)]
    if training is None:
        return functions
    step = Step(model, "train_step")
    step.prepare()
    batch = training_types(model, training)
    training_step = traced(f"{what} in training", step.run, (batch,), changes=True)
    reset = traced("reset_metrics", model.reset_metrics, (), changes=True)
    says = "Train on a batch of n samples; returns the metrics since they were last reset"
    parameters = dict(zip(BATCH, batch, strict=False))
    return [
        *functions,
        _function("train_step", parameters, says, training_step, _input_names(model), names),
        _function("reset_metrics", {}, "Begin anew with the metrics, as with each epoch", reset, [], names),
    ]


def _function(
    name: str,
    parameters: dict[str, Any],
    description: str,
    found: Traced,
    inputs: Sequence[str],
    names: dict[Cell, str],
) -> Function:
    """A traced function as one of the file.

    Args:
        parameters: for each its `ShapedArray`s, in a structure. inputs: what the model calls those of `x`.
    """

    def result(texts: Sequence[str], define: Define) -> str:
        return structure_text(found.result([Text(text) for text in texts], constant_text), define)

    arguments = []
    for parameter, types in parameters.items():
        places = optree.tree_paths(types)
        known = inputs if parameter == "x" and len(inputs) == len(places) else []
        arguments += [
            Argument(known[i] if known else f"{parameter}_{i}", parameter, place)
            for i, place in enumerate(places)
        ]
    for cell in found.cells:
        if cell not in names:
            names[cell] = unique(plain(cell.name), {*names.values(), *NO_KEYS}, "#", 2)
    state = [names[cell] for cell in found.cells]
    return Function(name, ", ".join(parameters), description, found.graph, state, arguments, result)


def _input_names(model: Any) -> list[str]:
    return [t.name for t in getattr(model, "inputs", None) or []]


@dataclass(frozen=True)
class Text:
    """An expression, as a leaf of a structure."""

    text: str


def constant_text(value: Any) -> Text:
    """A leaf of a result that is no array.

    Raises:
        ExportError: it cannot be written as text.
    """
    if isinstance(value, str):
        return Text(literal(value))
    if isinstance(value, (int, type(None))):
        return Text(repr(value))
    if isinstance(value, (float, complex)):
        return Text(number_text(value))
    raise ExportError(f"The model returns a {type(value).__name__}, which a Python file cannot hold.")


def structure_text(structure: Any, define: Define) -> str:
    """The expression that makes a structure.

    Raises:
        ExportError: it is of a kind that NumPy alone does not have.
    """
    if isinstance(structure, Text):
        return structure.text
    if structure is None:
        return "None"
    if isinstance(structure, dict):
        items = ", ".join(f"{_key(key)}: {structure_text(x, define)}" for key, x in structure.items())
        if isinstance(structure, collections.OrderedDict):
            name = define("OrderedDict", "collections.OrderedDict", "import collections")
            return f"{name}({{{items}}})"
        return f"{{{items}}}"
    if isinstance(structure, (list, tuple)):
        parts = [structure_text(x, define) for x in structure]
        if optree.is_namedtuple(structure):
            kind: Any = type(structure)
            fields = ", ".join(map(literal, kind._fields))
            made = f"collections.namedtuple({literal(kind.__name__)}, [{fields}])"
            return f"{define(kind.__name__, made, 'import collections')}({', '.join(parts)})"
        if type(structure) in (list, tuple):
            listed = ", ".join(parts)
            return f"[{listed}]" if isinstance(structure, list) else f"({listed}{',' * (len(parts) == 1)})"
    raise ExportError(f"The model returns a {type(structure).__name__}, which NumPy alone does not have.")


def _key(key: Any) -> str:
    if isinstance(key, str):
        return literal(key)
    if isinstance(key, int):
        return str(int(key))
    raise ExportError(
        f"The model returns a dictionary with a key {key!r}; text and whole numbers can be written."
    )
