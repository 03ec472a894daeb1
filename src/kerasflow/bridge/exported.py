"""What every exported form of a model begins with: a function of it as one graph for every batch size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import optree
from keras.src.export.export_utils import get_input_signature
from keras.src.utils.tracking import TrackedDict, TrackedList

from kerasflow._settings import settings
from kerasflow.bridge.host import name_of, numpy_dtype
from kerasflow.bridge.step import Step
from kerasflow.compiler.function import trace
from kerasflow.errors import ExportError, KerasflowError, TracingError
from kerasflow.exporting import align
from kerasflow.graph import Graph, ShapedArray, is_text, printable
from kerasflow.passes import optimize
from kerasflow.tracing import Cell, Trace, suspended

# The batch sizes to trace for: primes, that no other size is likely to be a multiple of. Where one is, or an array is
# small enough to be computed beforehand for one of them alone, there are others to try.
SIZES = ((83, 89, 97), (23, 29, 31))


@dataclass(frozen=True)
class Traced:
    """A function of arrays, traced for every batch size.

    Attributes:
        graph: aligned (`exporting.align`). cells: its state.
        structure: of the function's result. outputs: for each leaf its place among the graph's outputs, or -1 and the
            constant that it is.
    """

    graph: Graph
    cells: list[Cell]
    structure: Any
    outputs: list[tuple[int, Any]]

    def result(self, outputs: Sequence[Any], constant: Callable[[Any], Any]) -> Any:
        """The function's result, from something for each output of the graph, and what `constant` makes of others."""
        leaves = [constant(value) if i < 0 else outputs[i] for i, value in self.outputs]
        return optree.tree_unflatten(self.structure, leaves)


def known_inputs(model: Any) -> Any:
    """The inputs of a functional or sequential model, in their structure; None for others.

    A `Sequential` without an `Input` has taken its first batch's size for its own. So a size counts only where layers
    keep something for each sample.
    """
    specs = _untracked(getattr(getattr(model, "_functional", None) or model, "_inputs_struct", None))
    if not isinstance(model, keras.Sequential) or any(getattr(x, "stateful", False) for x in model.layers):
        return specs
    return optree.tree_map(lambda t: keras.KerasTensor((None, *t.shape[1:]), t.dtype, name=t.name), specs)


def _untracked(x: Any) -> Any:
    """Containers of Keras's, which know what they hold (a `FeatureSpace` gives its inputs in one), as Python's."""
    if isinstance(x, TrackedDict):
        return {key: _untracked(part) for key, part in x.items()}
    return list(map(_untracked, x)) if isinstance(x, TrackedList) else x


def input_types(model: Any, x: Any, remedy: str) -> Any:
    """The inputs in their structure, each a `ShapedArray` whose first dimension is 0 where that is the batch's size.

    Args:
        x: a batch of samples; None where the model knows its inputs. remedy: what to do where it does not.

    Raises:
        KerasflowError: shapes are not known.
    """
    specs = known_inputs(model)
    if x is None:
        shapes = [t.shape for t in optree.tree_leaves(specs)] if specs is not None else [(None, None)]
        if any(n is None for shape in shapes for n in shape[1:]):
            raise KerasflowError(
                f"The shapes of the inputs of {model.name!r} are not known in full. {remedy}"
            )
        return optree.tree_map(lambda t: ShapedArray(_sized(t.shape), numpy_dtype(t.dtype)), specs)
    if not model.built:
        model(x)
    if specs is not None and optree.tree_structure(specs) != optree.tree_structure(x):
        raise KerasflowError(f"`x` has to be in the structure of the inputs of {model.name!r}, {specs}")
    return array_types(x, specs)


def training_types(model: Any, batch: tuple[Any, ...]) -> tuple[Any, ...]:
    """The same for a batch to train on, `(x, y, sample_weight)`. `x` need not be what the model predicts from."""
    x, *others = batch
    specs = known_inputs(model)
    known = specs is not None and optree.tree_structure(specs) == optree.tree_structure(x)
    return (array_types(x, specs if known else None), *map(array_types, others))


def array_types(x: Any, specs: Any = None) -> Any:
    """The same for a batch of anything; `specs` has a model's own description for each array."""

    def described(array: Any, spec: Any = None) -> ShapedArray:
        array = np.asarray(array)
        if spec is not None:
            dtype = numpy_dtype(spec.dtype)
        elif is_text(array.dtype):
            dtype = np.dtype(object)
        else:
            dtype = np.dtype(keras.config.floatx()) if array.dtype.kind == "f" else array.dtype
        fixed = spec is not None and spec.shape[0] is not None
        return ShapedArray(array.shape if fixed else _sized((None, *array.shape[1:])), dtype)

    return optree.tree_map(described, x, *([specs] if specs is not None else []))


def signature_types(model: Any, signature: Any) -> tuple[Any, ...]:
    """The arguments of a model's call, as `input_types` gives them, from what Keras calls an input signature.

    Args:
        signature: a list of an argument each, structures of what has a shape and a dtype (`keras.InputSpec`, say); None
            where the model knows its inputs, or has been called.

    Raises:
        KerasflowError: shapes are not known, or the structure is not that of the model's inputs.
        ValueError: the model has never been called.
    """
    known = known_inputs(model)
    remedy = (
        "Give them as `input_signature=[keras.InputSpec(shape=(None, 20), dtype='float32')]`, say; None is for the "
        "batch size alone."
    )
    if signature is None and known is not None:
        return (input_types(model, None, remedy),)
    signature = get_input_signature(model) if signature is None else signature
    if known is not None:
        leaves, structure = optree.tree_leaves(signature), optree.tree_structure(known)
        if len(leaves) != structure.num_leaves:
            raise KerasflowError(
                f"`input_signature` has to be in the structure of the inputs of {model.name!r}, {known}"
            )
        signature = [optree.tree_unflatten(structure, leaves)]
    return signature_avals(signature, remedy)


def signature_avals(signature: Sequence[Any], remedy: str) -> tuple[Any, ...]:
    """The same for any function's arguments.

    Raises:
        KerasflowError: shapes are not known.
    """

    def described(spec: Any) -> ShapedArray:
        shape = tuple(spec.shape)
        if isinstance(spec, np.ndarray):
            shape = (None, *shape[1:])
        if None in shape[1:]:
            raise KerasflowError(f"The shape {shape} of an input is not known in full. {remedy}")
        return ShapedArray(_sized(shape), np.dtype(keras.backend.standardize_dtype(spec.dtype)))

    return tuple(optree.tree_map(described, arg) for arg in signature)


def input_names(specs: Sequence[Any], args: tuple[Any, ...]) -> list[str]:
    """A name for each array of the arguments: Keras's, if all have one, or else from where it is.

    Args:
        specs: what has the names, in the order of the arrays.
    """
    names = [getattr(spec, "name", None) for spec in specs]
    places = optree.tree_paths(args)
    if len(names) == len(places) and all(names):
        return [str(name) for name in names]
    return by_place("input", [place[1:] if len(args) == 1 else place for place in places])


def by_place(kind: str, places: Sequence[tuple[Any, ...]]) -> list[str]:
    """Names for the leaves of a structure: their keys, if it has any, or else numbers."""
    if any(isinstance(part, str) for place in places for part in place):
        return ["/".join(map(str, place)) or kind for place in places]
    return [f"{kind}_{i}" for i in range(len(places))]


def _sized(shape: Sequence[int | None]) -> tuple[int, ...]:
    return tuple(n or 0 for n in shape)


def check_traceable(model: Any, written: Callable[[Any], bool] = lambda layer: False) -> None:
    """Refuse a model with layers that say that they cannot be compiled.

    Args:
        written: whether the form has what such a layer computes.

    Raises:
        ExportError: naming them.
    """
    if layers := [x for x in Step(model, "predict_step").declining if not written(x)]:
        names = ", ".join(map(name_of, layers))
        raise ExportError(
            f"The model cannot be traced: {names} cannot be compiled. Export a model without such layers, "
            "and apply them to the data before, `x = layer(x)`."
        )


def traced(what: str, function: Callable[..., Any], args: tuple[Any, ...], changes: bool = False) -> Traced:
    """A function for every batch size.

    Args:
        what: how errors call it. args: its arguments, structures of `input_types`.
        changes: whether it is to change state; otherwise what it changes stays as it is.

    Raises:
        ExportError: it cannot be traced, does something else for each batch size, or its results depend on state that
            it changes and is not to change.
    """
    problem: ExportError | None = None
    for sizes in SIZES:
        traces = [_trace(what, function, args, size, changes) for size in sizes]
        try:
            graph = align([graph for graph, *_ in traces], sizes)
        except ExportError as error:
            problem = problem or error
            continue
        _, cells, structure, outputs = traces[0]
        return Traced(graph, cells, structure, outputs)
    assert problem is not None
    raise problem


def _trace(
    what: str, function: Callable[..., Any], args: tuple[Any, ...], size: int, changes: bool
) -> tuple[Graph, list[Cell], Any, list[tuple[int, Any]]]:
    """What `trace` gives for a batch of `size` samples, its graph optimized."""
    leaves, treedef = optree.tree_flatten((args, {}))
    avals = [ShapedArray(tuple(n or size for n in a.shape[:1]) + a.shape[1:], a.dtype) for a in leaves]
    try:
        with suspended():
            recorder = Trace(gives_sparse=False)
            graph, cells, out, outputs = trace(function, leaves, avals, treedef, recorder)
    except (TracingError, TypeError, ValueError, RuntimeError) as error:
        raise ExportError(
            f"{what} cannot be traced for a made-up batch of {size} samples: {error}"
        ) from error
    graph = optimize(graph, check=settings.verify) if changes else _stateless(what, graph)
    return graph, cells, out, outputs


def _stateless(what: str, graph: Graph) -> Graph:
    """The optimized graph of the outputs alone.

    Raises:
        ExportError: they depend on state that changes, so that no two calls need give the same.
    """
    changed = list(graph.changes)
    graph.state_outputs = list(graph.state_inputs)
    graph = optimize(graph, check=settings.verify)
    read = {v for node in graph.nodes for v in node.inputs} | set(graph.outputs)
    again = [printable(graph.state_names[i]) for i in changed if graph.state_inputs[i] in read]
    if again:
        raise ExportError(
            f"The results of {what[:1].lower()}{what[1:]} depend on state that they change, {', '.join(again)}; an "
            "exported model has none that changes."
        )
    return graph
