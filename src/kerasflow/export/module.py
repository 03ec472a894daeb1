"""An exported file: its text, and the arrays that belong to it."""

from __future__ import annotations

import base64
import io
import json
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kerasflow.export.batch import Size, dtype_text
from kerasflow.export.block import Names, Writer
from kerasflow.export.expression import Expression
from kerasflow.graph import Constant, Graph, Value


@dataclass(frozen=True)
class Argument:
    """An array among the arguments of `predict`.

    Attributes:
        name: a readable one. place: the expression that finds it in `x`.
    """

    name: str
    place: str


@dataclass(frozen=True)
class Module:
    """A file to write.

    Attributes:
        text: the Python source. arrays: what it loads, by name.
    """

    text: str
    arrays: dict[str, np.ndarray[Any, Any]]


def write_module(
    graph: Graph,
    state: Sequence[np.ndarray[Any, Any]],
    arguments: Sequence[Argument],
    result: Callable[[Sequence[str]], str],
    title: str,
    weights_file: str | None,
) -> Module:
    """The file that computes a graph.

    Args:
        graph: aligned (`align`), its state unchanged. state: the contents of each state input: the weights.
        arguments: one for each input of the graph.
        result: makes what `predict` returns from an expression for each output of the graph.
        title: what the docstring says of the model.
        weights_file: the name of the `.npz` file beside it; None writes the arrays into the text.
    """
    names = Names("np", "x", "n", "predict", "base64", "io", "Path", "weights", "_")
    used = {v for node in graph.nodes for v in node.inputs} | set(graph.outputs)
    weights = {
        value: (label, array, names("_".join(label.split("/")[-2:])))
        for value, label, array in zip(graph.state_inputs, graph.state_names, state, strict=True)
        if value in used
    }
    writer = Writer(names, {value: Expression(name) for value, (_, _, name) in weights.items()})
    inputs = _inputs(graph, arguments, writer)
    body = writer.function(graph)
    outputs = result([str(writer.expression(v)) for v in graph.outputs])
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    loads: list[str] = []
    for label, array, name in weights.values():
        key = label if label not in arrays else name
        arrays[key] = array
        loads.append(f"{name} = weights[{json.dumps(key)}]")
    for name, array in writer.constants.items():
        arrays[name] = array
        loads.append(f"{name} = weights[{json.dumps(name)}]")
    load = _load(loads, arrays, weights_file)
    function = [
        '@np.errstate(all="ignore")',
        "def predict(x):",
        f'    """{_described(graph, arguments)}"""',
        *(f"    {line}" for line in (*inputs, *body)),
        f"    return {outputs}",
    ]
    imports = ["import base64", "import io"] if weights_file is None else ["from pathlib import Path"]
    first = [line for line in writer.include.imports if line != "import numpy as np"]
    head = [f'"""{title}"""', "", *sorted({*(imports if loads else []), *first}, key=lambda line: (line.split()[0] != "import", line)), "", "import numpy as np", ""]
    loading = [*load, "", *writer.fixed, ""] if loads else ["", *writer.fixed, ""]
    helpers = [line for text in writer.include.definitions for line in ["", *text.splitlines(), ""]]
    # The arrays as text come last: nobody wants to scroll past them.
    parts = [function, ["", *loading]] if weights_file is None else [loading, ["", *function]]
    text = "\n".join([*head, *helpers, *(line for part in parts for line in part)])
    while "\n\n\n\n" in text:
        text = text.replace("\n\n\n\n", "\n\n\n")
    return Module(text.rstrip() + "\n", arrays)


def _inputs(graph: Graph, arguments: Sequence[Argument], writer: Writer) -> list[str]:
    """Lines that make the inputs arrays of the right dtype, and refuse those of another shape."""
    lines: list[str] = []
    counted = False
    for value, argument in zip(graph.inputs, arguments, strict=True):
        name = "x" if argument.place == "x" else writer.names(argument.name)
        writer.env[value] = Expression(name)
        shape, grows = value.aval.shape, any(isinstance(n, Size) for n in value.aval.shape)
        lines.append(f"{name} = np.asarray({argument.place}, {dtype_text(value.aval.dtype)})")
        seen, wanted = (f"{name}.shape[1:]", shape[1:]) if grows else (f"{name}.shape", shape)
        lines.append(f"if {seen} != {wanted}:")
        lines.append(
            f'    raise ValueError(f"{argument.place.replace(chr(34), chr(39))} has to be of shape {shape}, '
            f'received {{{name}.shape}}")'
        )
        if grows and not counted:
            lines.append(f"n = len({name})")
            counted = True
    return lines


def _described(graph: Graph, arguments: Sequence[Argument]) -> str:
    listed = ", ".join(
        f"{a.place}: {v.aval.dtype.name} of shape {v.aval.shape}"
        for a, v in zip(arguments, graph.inputs, strict=True)
    )
    return f"What the model predicts for a batch of n samples ({listed})."


def _load(
    loads: Sequence[str], arrays: Mapping[str, np.ndarray[Any, Any]], weights_file: str | None
) -> list[str]:
    if weights_file is not None:
        place = f'Path(__file__).with_name("{weights_file}")'
        return [f"with np.load({place}) as weights:", *(f"    {line}" for line in loads)]
    packed = io.BytesIO()
    np.savez(packed, **arrays)  # type: ignore[arg-type]
    text = textwrap.wrap(base64.b64encode(packed.getvalue()).decode(), 100)
    opened = "np.load(io.BytesIO(base64.b64decode(WEIGHTS)))"
    return [
        'WEIGHTS = """',
        *text,
        '"""',
        f"with {opened} as weights:",
        *(f"    {line}" for line in loads),
    ]
