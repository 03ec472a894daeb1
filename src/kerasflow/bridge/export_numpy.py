"""`kerasflow.export_numpy`: a model's prediction as a Python file that needs NumPy alone."""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import optree

from kerasflow.bridge.step import Step
from kerasflow.compiler.function import trace
from kerasflow.config import settings
from kerasflow.errors import ExportError, KerasflowError, TracingError
from kerasflow.exporting import Argument, align, check_exportable, write_module
from kerasflow.files import check_writable, written_whole
from kerasflow.graph import Graph, ShapedArray
from kerasflow.passes import optimize
from kerasflow.tracing import Cell, suspended

# The batch sizes to trace for: primes, that no other size is likely to be a multiple of. Where one is, or an array is
# small enough to be computed beforehand for one of them alone, there are others to try.
SIZES = ((83, 89, 97), (23, 29, 31))


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
    structure = _inputs(model, x)
    graph, cells, result = _traced(model, structure)
    check_exportable(graph)
    module = write_module(
        graph,
        [cell.read() for cell in cells],
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


def _inputs(model: Any, x: Any) -> Any:
    """The inputs in their structure, each a `ShapedArray` whose first dimension is 0 where that is the batch's size.

    Raises:
        KerasflowError: shapes are not known.
    """
    known = getattr(getattr(model, "_functional", None) or model, "_inputs_struct", None)
    if x is None:
        shapes = [t.shape for t in optree.tree_leaves(known)] if known is not None else [(None, None)]
        if any(n is None for shape in shapes for n in shape[1:]):
            raise KerasflowError(
                f"The shapes of the inputs of {model.name!r} are not known in full. Give a batch of samples: "
                "`kerasflow.export_numpy(model, path, x[:1])`."
            )
        return optree.tree_map(lambda t: ShapedArray(_sized(t.shape), np.dtype(t.dtype)), known)
    if not model.built:
        model(x)
    if known is not None and optree.tree_structure(known) != optree.tree_structure(x):
        raise KerasflowError(f"`x` has to be in the structure of the inputs of {model.name!r}, {known}")

    def described(array: Any, spec: Any = None) -> ShapedArray:
        array = np.asarray(array)
        if spec is not None:
            dtype = np.dtype(spec.dtype)
        else:
            dtype = np.dtype(keras.config.floatx()) if array.dtype.kind == "f" else array.dtype
        fixed = spec is not None and spec.shape[0] is not None
        return ShapedArray(array.shape if fixed else _sized((None, *array.shape[1:])), dtype)

    return optree.tree_map(described, x, *([known] if known is not None else []))


def _sized(shape: Sequence[int | None]) -> tuple[int, ...]:
    return tuple(n or 0 for n in shape)


def _traced(model: Any, structure: Any) -> tuple[Graph, list[Cell], Any]:
    """The graph of a prediction for every batch size, its state, and what makes the result of its outputs.

    Raises:
        ExportError: the model cannot be traced, or does something else for each batch size.
    """
    step = Step(model, "predict_step")
    if step.needs_values:
        names = [layer.path for layer in model._flatten_layers() if not layer.supports_jit]
        raise ExportError(f"The model cannot be traced: {', '.join(names)} cannot be compiled.")
    problem: ExportError | None = None
    for sizes in SIZES:
        traces = [_trace(step, structure, size) for size in sizes]
        try:
            graph = align([graph for graph, *_ in traces], sizes)
        except ExportError as error:
            problem = problem or error
            continue
        _, cells, out, outputs = traces[0]
        return graph, cells, functools.partial(_result, out, outputs)
    assert problem is not None
    raise problem


def _trace(step: Step, structure: Any, size: int) -> tuple[Graph, list[Cell], Any, list[tuple[int, Any]]]:
    """What `trace` gives for a batch of `size` samples, its graph without what changes state."""
    leaves, treedef = optree.tree_flatten((((structure,),), {}))
    avals = [ShapedArray(tuple(n or size for n in a.shape[:1]) + a.shape[1:], a.dtype) for a in leaves]
    try:
        with suspended():
            graph, cells, out, outputs = trace(step._run, leaves, avals, treedef)
    except (TracingError, TypeError, ValueError) as error:
        raise ExportError(
            f"The model {step.model.name!r} cannot be traced for a batch of {size} samples: {error}"
        ) from error
    return _stateless(step.model, graph), cells, out, outputs


def _result(structure: Any, outputs: Sequence[tuple[int, Any]], texts: Sequence[str]) -> str:
    """What `predict` returns: an expression in a structure, from one for each output of the graph."""
    leaves = [_Text(repr(constant) if i < 0 else texts[i]) for i, constant in outputs]
    return repr(optree.tree_unflatten(structure, leaves))


def _stateless(model: Any, graph: Graph) -> Graph:
    """The optimized graph of the outputs alone.

    Raises:
        ExportError: they depend on state that changes, so that no two calls need give the same.
    """
    pairs = zip(graph.state_inputs, graph.state_outputs, strict=True)
    changed = [i for i, (before, now) in enumerate(pairs) if before is not now]
    graph.state_outputs = list(graph.state_inputs)
    graph = optimize(graph, check=settings.verify)
    read = {v for node in graph.nodes for v in node.inputs} | set(graph.outputs)
    again = [graph.state_names[i] for i in changed if graph.state_inputs[i] in read]
    if again:
        raise ExportError(
            f"The predictions of {model.name!r} depend on state that they change, {', '.join(again)}; an exported "
            "model has none that changes."
        )
    return graph


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
