"""An exported file: its text, and the arrays that belong to it."""

from __future__ import annotations

import base64
import io
import json
import re
import textwrap
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kerasflow.exporting.batch import dtype_text
from kerasflow.exporting.block import Names, Writer
from kerasflow.exporting.expression import Expression
from kerasflow.graph import Graph, Size

# What the file itself, and the functions that it may include, call by these names.
RESERVED = "np x n predict weights WEIGHTS base64 io math itertools Path _".split()


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
    names = Names(*RESERVED)
    used = {v for node in graph.nodes for v in node.inputs} | set(graph.outputs)
    loaded = [
        (value, label, array)
        for value, label, array in zip(graph.state_inputs, graph.state_names, state, strict=True)
        if value in used
    ]
    wishes = _wishes([label for _, label, _ in loaded])
    weights = {
        value: (label, array, names(wish)) for (value, label, array), wish in zip(loaded, wishes, strict=True)
    }
    writer = Writer(names, {value: Expression(name) for value, (_, _, name) in weights.items()})
    inputs, count = _inputs(graph, arguments, writer)
    body = writer.function(graph)
    outputs = result([str(writer.expression(v)) for v in graph.outputs])
    if re.search(r"\bn\b", "\n".join([*body, outputs])):
        inputs.append(count)
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
        f"    {_docstring(_described(graph, arguments))}",
        *(f"    {line}" for line in (*inputs, *body)),
        f"    return {outputs}",
    ]
    loaders = ["import base64", "import io"] if weights_file is None else ["from pathlib import Path"]
    standard = {*(loaders if load else []), *writer.include.imports} - {"import numpy as np"}
    imports = sorted(standard, key=lambda line: (line.startswith("from"), line))
    head = [_docstring(title), "", *imports, "", "import numpy as np"]
    loading = [*load, *([""] if load and writer.fixed else []), *writer.fixed]
    # The arrays as text come last: nobody wants to scroll past them.
    parts = [loading, function] if weights_file is not None else [function, loading]
    sections = [head, *(text.splitlines() for text in writer.include.definitions), *filter(None, parts)]
    return Module("\n\n\n".join("\n".join(section) for section in sections) + "\n", arrays)


def _wishes(labels: Sequence[str]) -> list[str]:
    """A name for each weight: as much of the end of its path as tells it from the others, but its layer at least."""

    def ends(parts: int) -> list[str]:
        return ["_".join(label.split("/")[-parts:]) for label in labels]

    longest = max((label.count("/") + 1 for label in labels), default=1)
    wishes = ends(2)
    for parts in range(3, longest + 1):
        counts = Counter(wishes)
        wishes = [
            longer if counts[wish] > 1 else wish for wish, longer in zip(wishes, ends(parts), strict=True)
        ]
    return wishes


def _inputs(graph: Graph, arguments: Sequence[Argument], writer: Writer) -> tuple[list[str], str]:
    """Lines that make the inputs arrays of the right dtype and refuse those of another shape; one that finds `n`."""
    lines: list[str] = []
    count = ""
    for value, argument in zip(graph.inputs, arguments, strict=True):
        name = "x" if argument.place == "x" else writer.names(argument.name)
        writer.env[value] = Expression(name)
        shape, grows = value.aval.shape, any(isinstance(n, Size) for n in value.aval.shape)
        lines.append(f"{name} = np.asarray({argument.place}, {dtype_text(value.aval.dtype)})")
        seen, wanted = (f"{name}.shape[1:]", shape[1:]) if grows else (f"{name}.shape", shape)
        lines.append(f"if {seen} != {wanted}:")
        message = json.dumps(f"{argument.place} has to be of shape {shape}, received ")[:-1]
        message = message.replace("{", "{{").replace("}", "}}")
        lines.append(f'    raise ValueError(f{message}{{{name}.shape}}")')
        if grows:
            count = count or f"n = len({name})"
    return lines, count


def _docstring(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"""{escaped}"""'


def _described(graph: Graph, arguments: Sequence[Argument]) -> str:
    listed = ", ".join(
        f"{a.place}: {v.aval.dtype.name} of shape {v.aval.shape}"
        for a, v in zip(arguments, graph.inputs, strict=True)
    )
    return f"What the model predicts for a batch of n samples ({listed})."


def _load(
    loads: Sequence[str], arrays: Mapping[str, np.ndarray[Any, Any]], weights_file: str | None
) -> list[str]:
    if not arrays:
        return []
    if weights_file is not None:
        place = f"Path(__file__).with_name({json.dumps(weights_file)})"
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
