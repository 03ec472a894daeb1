"""`model.export(path, format="onnx")`: from the graph, on any backend; Keras's own way needs another framework."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from keras.src.utils import io_utils

from kerasflow._version import __version__
from kerasflow.bridge.exported import (
    Traced,
    by_place,
    check_traceable,
    input_names,
    signature_types,
    traced,
)
from kerasflow.bridge.files import check_writable, written_whole
from kerasflow.errors import ExportError, KerasflowError
from kerasflow.exporting.onnx import OPSET, onnx_model
from kerasflow.graph import printable


def export_onnx(
    model: Any,
    filepath: str | os.PathLike[str],
    verbose: bool | None = None,
    input_signature: Any = None,
    opset_version: int | None = None,
    **kwargs: Any,
) -> None:
    """Write a model's prediction as an ONNX file, for batches of any size.

    Args:
        model: a built Keras model.
        filepath: the file, `.onnx`.
        verbose: whether to print where the file is and what it takes; None does.
        input_signature: `keras.InputSpec`s, in the structure of the model's inputs, in a list of the arguments of its
            call; for a model that does not know the shapes of its inputs, or knows them only in part.
        opset_version: which definitions of the operators; None takes 21.

    Raises:
        ExportError: the model needs what ONNX does not have, changes its state when it predicts, or does something else
            for each batch size. Nothing has been written.
        KerasflowError: the package `onnx` is missing, the shapes of the inputs are not known, or the file cannot be
            written; a file that was there is as it was.
    """
    if kwargs:
        raise KerasflowError(
            f"`format='onnx'` takes no argument {', '.join(map(repr, kwargs))} on kerasflow."
        )
    path = Path(filepath)
    check_writable(path, (".onnx",))
    _check_installed()
    check_traceable(model)
    args = signature_types(model, input_signature)
    found = traced(f"The model {model.name!r}", lambda *args: model(*args, training=False), args)
    constants = [value for i, value in found.outputs if i < 0]
    if constants:
        raise ExportError(
            f"The model {model.name!r} returns what is no array: {', '.join(map(repr, constants))}."
        )
    proto = onnx_model(
        found.graph,
        [cell.read() for cell in found.cells],
        input_names(getattr(model, "inputs", None) or [], args),
        _output_names(model, found),
        model.name,
        __version__,
        OPSET if opset_version is None else opset_version,
    )
    with written_whole(path) as draft:
        draft.write_bytes(proto.SerializeToString())
    if verbose or verbose is None:
        values = [*(("input", x) for x in proto.graph.input), *(("output", x) for x in proto.graph.output)]
        lines = [f"* {kind} '{x.name}': {_described(x.type.tensor_type)}" for kind, x in values]
        io_utils.print_msg(
            "\n".join([f"Saved artifact at '{printable(str(path))}'. Its inputs and outputs:\n", *lines])
        )


def _output_names(model: Any, found: Traced) -> list[str]:
    """The names of the layers that give the outputs, or else where those are in the result."""
    layers = getattr(getattr(model, "_functional", None) or model, "output_names", [])
    places = found.structure.paths()
    keyed = any(isinstance(part, str) for place in places for part in place)
    return list(layers) if len(layers) == len(places) and not keyed else by_place("output", places)


def _described(tensor: Any) -> str:
    """A type, as users read it."""
    from onnx import helper  # The package may be missing.

    dims = ", ".join(d.dim_param or str(d.dim_value) for d in tensor.shape.dim)
    return f"{helper.tensor_dtype_to_np_dtype(tensor.elem_type).name}({dims})"


def _check_installed() -> None:
    try:
        import onnx  # noqa: F401
    except ImportError as error:
        raise KerasflowError(
            "ONNX files are written with the package `onnx`, which is not installed. Install it with: "
            'pip install "kerasflow[onnx]"'
        ) from error
