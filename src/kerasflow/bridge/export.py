"""`model.export(path)` and Keras's `ExportArchive`: the files of a backend that writes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optree
from keras.src import layers
from keras.src.utils import io_utils

from kerasflow.bridge.exported import check_traceable, input_names, signature_avals, traced
from kerasflow.bridge.files import folder_written_whole
from kerasflow.compiler.registry import backend_for
from kerasflow.exporting import spell_out
from kerasflow.graph import Graph, ShapedArray, Size, printable
from kerasflow.tracing import Cell

FORMAT = "tf_saved_model"


@dataclass(frozen=True, eq=False)
class SavedVariable:
    """A variable of an exported object.

    Attributes:
        cell: where its contents are. trainable: as in Keras.
    """

    cell: Cell
    trainable: bool

    @property
    def name(self) -> str:
        """A readable name: in Keras, its path."""
        return self.cell.name

    @property
    def array(self) -> np.ndarray[Any, Any]:
        """The contents now."""
        return self.cell.read()


@dataclass(frozen=True, eq=False)
class Endpoint:
    """A function of an exported object.

    Attributes:
        graph: for every batch size, constants that depend on it spelled out.
        variables: one for each state input.
        arguments: the structure of its arguments, a tuple. names: one for each input of the graph.
        result: makes what it returns of something for each output of the graph, and of what makes that of a constant.
    """

    graph: Graph
    variables: list[SavedVariable]
    arguments: tuple[Any, ...]
    names: list[str]
    result: Callable[[Sequence[Any], Callable[[Any], Any]], Any]


class NumpyExportArchive:
    """Keras's `ExportArchive` on this backend: endpoints are traced when they are added.

    What it writes is a SavedModel, by whichever backend can.
    """

    def __init__(self) -> None:
        self._endpoints: dict[str, Endpoint] = {}
        self._layers: list[Any] = []
        self._collections: dict[str, list[SavedVariable]] = {}
        self._saved: dict[Any, SavedVariable] = {}

    @property
    def variables(self) -> list[Any]:
        return [v for layer in self._layers for v in layer.variables]

    @property
    def trainable_variables(self) -> list[Any]:
        return [v for layer in self._layers for v in layer.trainable_variables]

    @property
    def non_trainable_variables(self) -> list[Any]:
        return [v for layer in self._layers for v in layer.non_trainable_variables]

    def track(self, resource: Any) -> None:
        """Write a layer's variables too, as the loaded object's `variables`."""
        if not isinstance(resource, layers.Layer):
            raise ValueError(
                f"A layer or a model can be tracked; received {resource!r} of type {type(resource)}."
            )
        if not resource.built:
            raise ValueError(f"{resource.name!r} has not been built; call it, or its `build`, first.")
        self._layers.append(resource)

    def add_endpoint(
        self, name: str, fn: Callable[..., Any], input_signature: Any = None, **kwargs: Any
    ) -> Any:
        """Add a function, which is traced now; a list of `keras.InputSpec`s, one for each argument, says for what.

        Raises:
            ExportError: the function cannot be traced, does something else for each batch size, or changes state.
            KerasflowError: a shape is not known but for the batch size.
            ValueError: the name is taken, or the signature or an argument is not as it has to be.
        """
        if name in self._endpoints:
            raise ValueError(f"Endpoint name '{name}' is already taken.")
        if kwargs:
            raise ValueError(f"An endpoint takes no argument {', '.join(map(repr, kwargs))} on kerasflow.")
        if input_signature is None:
            raise ValueError(
                "An endpoint needs an `input_signature` on kerasflow: `[keras.InputSpec(shape=(None, 20), "
                "dtype='float32')]`, say."
            )
        remedy = "Give `input_signature` with all of them; None is for the batch size alone."
        args = signature_avals(input_signature, remedy)
        found = traced(f"The endpoint {name!r}", fn, args)
        names = input_names(optree.tree_leaves(list(input_signature)), args)
        variables = [self._variable(cell) for cell in found.cells]
        self._endpoints[name] = Endpoint(spell_out(found.graph), variables, args, names, found.result)
        return fn

    def track_and_add_endpoint(self, name: str, resource: Any, input_signature: Any, **kwargs: Any) -> Any:
        """`track` a layer or a model and add its call, at inference."""
        self.track(resource)
        check_traceable(resource)

        def call(*args: Any) -> Any:
            return resource(*args, training=False)

        return self.add_endpoint(name, call, input_signature, **kwargs)

    def add_variable_collection(self, name: str, variables: Any) -> None:
        """Variables that the loaded object has in a list of this name."""
        if not isinstance(variables, (list, tuple, set)):
            raise ValueError(f"`variables` has to be a list, a tuple or a set; received {type(variables)}.")
        self._collections[name] = self._of_keras(variables)

    def write_out(self, filepath: Any, options: Any = None, verbose: bool = True) -> None:
        """Write the folder.

        Raises:
            ExportError: no backend that can be loaded writes SavedModels, or it cannot compute an endpoint for every
                batch size.
            KerasflowError: it cannot be written, or has other files in it. What was there is as it was.
        """
        if not self._endpoints:
            raise ValueError("No endpoints have been set yet. Call add_endpoint().")
        path = Path(filepath)
        writer: Any = backend_for(FORMAT)
        collections = {
            "variables": self._of_keras(self.variables),
            "trainable_variables": self._of_keras(self.trainable_variables),
            "non_trainable_variables": self._of_keras(self.non_trainable_variables),
            **self._collections,
        }
        with folder_written_whole(path, "saved_model.pb") as draft:
            writer.export(FORMAT, str(draft), self._endpoints, collections, options=options)
        if verbose:
            listed = [_described(name, endpoint) for name, endpoint in self._endpoints.items()]
            text = (
                f"Saved artifact at '{printable(str(filepath))}'. The following endpoints are available:\n\n"
            )
            io_utils.print_msg(text + "\n\n".join(listed))

    def _of_keras(self, variables: Any) -> list[SavedVariable]:
        return [self._variable(v._cell, v) for v in variables]

    def _variable(self, cell: Any, variable: Any = None) -> SavedVariable:
        """What is saved of a cell, once; its trainability is that of the variable that a tracked layer has for it."""
        if cell not in self._saved:
            known = {v._cell: v for v in self.variables}
            variable = known.get(cell) if variable is None else variable
            trainable = variable is not None and bool(variable.trainable)
            self._saved[cell] = SavedVariable(cell, trainable)
        return self._saved[cell]


def _described(name: str, endpoint: Endpoint) -> str:
    inputs = [
        f"{printable(label)}: {_type(v.aval)}"
        for label, v in zip(endpoint.names, endpoint.graph.inputs, strict=True)
    ]
    outputs = [_type(v.aval) for v in endpoint.graph.outputs]
    return f"* Endpoint '{printable(name)}'\n    {', '.join(inputs)} -> {', '.join(outputs)}"


def _type(aval: ShapedArray) -> str:
    dims = ", ".join("None" if isinstance(n, Size) else str(n) for n in aval.shape)
    return f"{aval.dtype.name}({dims})"
