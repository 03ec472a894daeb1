"""An exported file: its text, and the arrays that belong to it."""

from __future__ import annotations

import ast
import base64
import io
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kerasflow.exporting.batch import dtype_text
from kerasflow.exporting.numpy.block import Contents, Define, Names, Writer
from kerasflow.exporting.numpy.expression import Expression
from kerasflow.graph import Graph, Size, Value, endings, is_text, literal, plain
from kerasflow.strings.flat import texts

# What the file itself, and the functions that it may include, call by these names.
RESERVED = (
    "np x y sample_weight n state weights WEIGHTS base64 collections io math itertools string dataclass "
    "cached_property Path problem _".split()
)


@dataclass(frozen=True)
class Argument:
    """An array among the arguments of a function.

    Attributes:
        name: a readable one. parameter, keys: of the function, and where in its structure the array is.
    """

    name: str
    parameter: str
    keys: Sequence[int | str]

    @property
    def place(self) -> str:
        """The expression that finds it."""
        return self.parameter + "".join(
            f"[{literal(key) if isinstance(key, str) else int(key)}]" for key in self.keys
        )

    @property
    def shown(self) -> str:
        """The same to be read, in a docstring or a message."""
        return self.parameter + "".join(
            f"['{plain(key)}']" if isinstance(key, str) else f"[{int(key)}]" for key in self.keys
        )


@dataclass(frozen=True)
class Function:
    """A function of the file.

    Attributes:
        parameters: as in its `def`. description: what the docstring says; the arguments follow.
        graph: what it computes (for all batch sizes: `align`).
        state: for each state input of the graph the name by which the file loads it.
        arguments: one for each input of the graph.
        result: makes what the function returns from an expression for each output of the graph; it may define what
            it needs (`Contents.define`).
    """

    name: str
    parameters: str
    description: str
    graph: Graph
    state: Sequence[str]
    arguments: Sequence[Argument]
    result: Callable[[Sequence[str], Define], str]

    @property
    def changes(self) -> dict[str, Value]:
        """What it gives a new value."""
        return {self.state[i]: now for i, now in self.graph.changes.items()}

    @property
    def reads(self) -> dict[str, Value]:
        """What it needs of the state."""
        used = {v for node in self.graph.nodes for v in node.inputs} | {
            *self.graph.outputs,
            *self.changes.values(),
        }
        return {name: v for name, v in zip(self.state, self.graph.state_inputs, strict=True) if v in used}


@dataclass(frozen=True)
class Module:
    """A file to write.

    Attributes:
        text: the Python source. arrays: what it loads, by name.
    """

    text: str
    arrays: dict[str, np.ndarray[Any, Any]]


def write_module(
    functions: Sequence[Function],
    state: Mapping[str, np.ndarray[Any, Any]],
    title: str,
    weights_file: str | None,
) -> Module:
    """The file that computes graphs.

    Where no function changes the state, each array is a variable of the file, and what depends on such alone is
    computed once. Otherwise they are in a dictionary, `state`.

    Args:
        functions: at least one. state: the contents of each state input of theirs.
        title: what the file's docstring says of the model.
        weights_file: the name of the `.npz` file beside it; None writes the arrays into the text.
    """
    changing = any(f.changes for f in functions)
    # Where the state stays in a dictionary, constants are beside it, by their names.
    names = Names(*RESERVED, *(f.name for f in functions), *(state if changing else ()))
    contents = Contents(names)
    kept = {name for f in functions for name in (*f.reads, *f.changes)}
    arrays = {name: array for name, array in state.items() if name in kept}
    wishes = dict(zip(arrays, endings(list(arrays)), strict=True))
    fixed = {} if changing else {name: names(wish) for name, wish in wishes.items()}
    written = [_function(f, contents, fixed or wishes, changing) for f in functions]
    for name in contents.constants:
        fixed[name] = name
    arrays.update(contents.constants)
    loads = [f"{variable} = weights[{literal(name)}]" for name, variable in fixed.items()]
    if changing:
        loads.insert(0, "state = dict(weights)")
    load = _load(loads, arrays, weights_file)
    loaders = ["import base64", "import io"] if weights_file is None else ["from pathlib import Path"]
    standard = {*(loaders if load else []), *contents.include.imports} - {"import numpy as np"}
    imports = sorted(standard, key=lambda line: (line.startswith("from"), line))
    head = [_docstring(title), "", *imports, "", "import numpy as np"]
    loading = [*load, *([""] if load and contents.fixed else []), *contents.fixed]
    # The arrays as text come last: nobody wants to scroll past them.
    parts = [loading, *written] if weights_file is not None else [*written, loading]
    sections = [head, *(text.splitlines() for text in contents.include.definitions), *filter(None, parts)]
    return Module("\n\n\n".join("\n".join(section) for section in sections) + "\n", arrays)


def _function(f: Function, contents: Contents, variables: Mapping[str, str], changing: bool) -> list[str]:
    """The lines of a function; `variables` has a name, or the wish for one, for each part of the state."""
    names = contents.names
    names.begin_function()
    reads = {name: names.local(variables[name]) if changing else variables[name] for name in f.reads}
    writer = Writer(contents, {v: Expression(reads[name]) for name, v in f.reads.items()}, known=not changing)
    inputs, count = _inputs(f, writer)
    body = writer.function(f.graph)
    changes = [f"    {literal(name)}: {writer.expression(v)}," for name, v in f.changes.items()]
    if changes:
        body += ["state.update({", *changes, "})"]
    if f.graph.outputs:
        outputs = [str(writer.expression(v)) for v in f.graph.outputs]
        body.append(f"return {f.result(outputs, contents.define)}")
    if _reads("n", body):
        inputs.append(count)
    loads = [f"{variable} = state[{literal(name)}]" for name, variable in reads.items() if changing]
    return [
        '@np.errstate(all="ignore")',
        f"def {f.name}({f.parameters}):",
        f"    {_docstring(_described(f))}",
        *(f"    {line}" for line in (*loads, *inputs, *body)),
    ]


def _reads(name: str, body: Sequence[str]) -> bool:
    """Whether the lines of a function use a name."""
    text = "\n".join(["def function():", *(f"    {line}" for line in body), "    pass"])
    return any(isinstance(node, ast.Name) and node.id == name for node in ast.walk(ast.parse(text)))


def _inputs(f: Function, writer: Writer) -> tuple[list[str], str]:
    """Lines that make the inputs arrays of the right dtype and refuse those of another shape; one that finds `n`."""
    lines: list[str] = []
    counted = ""
    for value, argument in zip(f.graph.inputs, f.arguments, strict=True):
        name = argument.place if argument.place.isidentifier() else writer.names.local(argument.name)
        writer.env[value] = Expression(name)
        shape, grows = value.aval.shape, any(isinstance(n, Size) for n in value.aval.shape)
        if is_text(value.aval.dtype):
            lines.append(f"{name} = {writer.contents.include.function(texts)}({argument.place})")
        else:
            lines.append(f"{name} = np.asarray({argument.place}, {dtype_text(value.aval.dtype)})")
        wrong = f"{name}.shape[1:] != {shape[1:]}" if grows else f"{name}.shape != {shape}"
        if grows and counted:
            wrong += f" or len({name}) != len({counted})"
        lines.append(f"if {wrong}:")
        message = literal(f"{argument.shown} has to be of shape {shape}, received ")[:-1]
        message = message.replace("{", "{{").replace("}", "}}")
        lines.append(f'    raise ValueError(f{message}{{{name}.shape}}")')
        if grows:
            counted = counted or name
    return lines, f"n = len({counted})"


def _docstring(text: str) -> str:
    """Our own words, and names that `plain` has let through."""
    assert text.isprintable() and text.isascii() and not {*'"\\'} & {*text}, text
    return f'"""{text}"""'


def _described(f: Function) -> str:
    listed = ", ".join(
        f"{a.shown}: {'strings' if is_text(v.aval.dtype) else v.aval.dtype.name} of shape {v.aval.shape}"
        for a, v in zip(f.arguments, f.graph.inputs, strict=True)
    )
    return f"{f.description} ({listed})." if listed else f"{f.description}."


def _load(
    loads: Sequence[str], arrays: Mapping[str, np.ndarray[Any, Any]], weights_file: str | None
) -> list[str]:
    if not arrays:
        return []
    if weights_file is not None:
        return [
            f"WEIGHTS = Path(__file__).with_name({literal(weights_file)})",
            "try:",
            "    with np.load(WEIGHTS) as weights:",
            *(f"        {line}" for line in loads),
            "except Exception as problem:",
            '    raise ValueError(f"{WEIGHTS} is missing, damaged or of another model: {problem}") from problem',
        ]
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
