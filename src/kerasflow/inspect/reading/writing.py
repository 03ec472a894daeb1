"""From a graph to the lines of a function as one would write it."""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from kerasflow.exporting.batch import Varying, dtype_text, number_text
from kerasflow.exporting.numpy.block import Contents, Names, Writer
from kerasflow.exporting.numpy.expression import Expression
from kerasflow.exporting.numpy.table import INCLUDED, STATEMENTS, TEMPLATES, Operation
from kerasflow.graph import Constant, Graph, Node, Value, plain, printable, shaped
from kerasflow.inspect.reading.naming import Naming, state_wishes
from kerasflow.inspect.reading.sections import in_sections
from kerasflow.passes.rewrite import rebuild, uniform_value
from kerasflow.primitives.builder import Builder

_INDENT = "    "
_WIDTH = 96
_LONGEST_LINE = 88
# Smaller whole numbers are written without a point.
_ROUND = 1e6
_WORD = re.compile(r"[A-Za-z_]\w*")


@dataclass(frozen=True)
class Line:
    """A line to read.

    Attributes:
        text: Python, with its indentation. note: the types of what it gives. section: the part of the step.
        scope: the layer, `grad …` for its derivative; "" if it has none.
    """

    text: str
    note: str = ""
    section: str = ""
    scope: str = ""

    def __str__(self) -> str:
        return f"{self.text}  # {printable(self.note)}" if self.note else self.text


@dataclass(frozen=True)
class Listing:
    """A function to read.

    Attributes:
        head: its `def`, its docstring, what is computed before the first call. body: its lines.
        inputs, state: what each of the graph's is called.
        tagged: the graph, in which each node's scope is the line that it is a part of.
    """

    head: list[str]
    body: list[Line]
    inputs: list[str]
    state: list[str]
    tagged: Graph


class _Reader(Writer):
    """Writes what is to be read: long expressions, names that say what they are, each line with its types."""

    longest = 80

    def __init__(self, contents: Contents, weights: Mapping[Value, Expression], naming: Naming) -> None:
        super().__init__(contents, weights, known=False)
        self.naming = naming
        self.notes: dict[str, Node] = {}
        self.lines: dict[Node, str] = {}

    def wish(self, node: Node, value: Value | None = None) -> str:
        return self.naming(node, node.outputs[0] if value is None else value)

    def number(self, array: np.ndarray[Any, Any]) -> Expression:
        number = float(array.reshape(())) if array.dtype.kind == "f" else math.nan
        if abs(number) < _ROUND and number.is_integer() and not _is_negative_zero(number):
            array = np.array(int(number))
        return super().number(array)

    def written(self, node: Node, args: Sequence[Expression]) -> Expression:
        name = node.primitive.name
        if name in TEMPLATES and name not in INCLUDED and not name.startswith("convolution"):
            return TEMPLATES[name](Operation(node, args, _numpys))
        params = (f"{key}={_shown(value)}" for key, value in node.params.items())
        return Expression(f"{name}({', '.join([*map(str, args), *params])})")

    def _node(self, node: Node, lines: list[str], alone: bool, new: Callable[[str], str]) -> None:
        if node.primitive.name not in STATEMENTS:
            self._shorten(node, lines, new)
        before = len(lines)
        super()._node(node, lines, alone, new)
        if len(lines) > before:
            for line in lines[before:]:
                self.notes.setdefault(line, node)
            self.lines[node] = lines[before]

    def _shorten(self, node: Node, lines: list[str], new: Callable[[str], str]) -> None:
        """Give operands lines of their own, the longest first, until the node's own is short enough."""
        while len(self.written(node, [self._operand(node, v) for v in node.inputs]).text) > _LONGEST_LINE:
            inside = [v for v in node.inputs if v.node is not None and not _WORD.fullmatch(self.env[v].text)]
            if not inside:
                return
            value = max(inside, key=lambda v: len(self.env[v].text))
            if len(self.env[value].text) < _LONGEST_LINE // 4:
                return
            assert value.node is not None
            name = new(self.wish(value.node, value))
            lines.append(f"{name} = {self.env[value]}")
            self.env[value] = Expression(name)
            self.notes[lines[-1]] = value.node
            self.lines[value.node] = lines[-1]

    def _constant(self, constant: Constant) -> Expression:
        array = constant.array
        text = None if isinstance(constant, Varying) or array.ndim == 0 else _made(array)
        if text is None:
            return super()._constant(constant)
        return Expression(self.contents.define("constant", text, "import numpy as np"))


def _is_negative_zero(number: Any) -> bool:
    return bool(number == 0 and np.signbit(number))


def _numpys(function: Callable[..., Any]) -> str:
    """NumPy's function that a faster one of ours stands for in exported files."""
    return f"np.{function.__name__}"


def _made(array: np.ndarray[Any, Any]) -> str | None:
    """The call that makes an array of one number, or of a range of them; None if there is none."""
    dtype, number = dtype_text(array.dtype), uniform_value(Constant(array))
    if number is not None:
        return f"np.full({array.shape}, {number_text(number)}, {dtype})"
    if array.dtype.kind in "iu" and array.size > 2 and np.array_equal(array.ravel(), np.arange(array.size)):
        shape = "" if array.ndim == 1 else f".reshape{array.shape}"
        return f"np.arange({array.size}, dtype={dtype}){shape}"
    return None


def _shown(param: Any) -> str:
    if isinstance(param, np.dtype):
        return dtype_text(param)
    text = repr(param)
    return text if isinstance(param, (tuple, int, float, str, type(None))) else f"<{printable(text)}>"


def written(
    graph: Graph,
    name: str,
    arguments: Sequence[str],
    title: str,
    optimizer: str,
    outputs: Sequence[str],
    result: Callable[[Sequence[str]], str],
) -> Listing:
    """A graph as a function to read.

    Args:
        name, arguments: the function's, and its arguments', as wishes for names.
        title: the docstring's first line; "" for none.
        optimizer: the name of the optimizer's scope, "" if there is none. outputs: wishes for the graph's outputs.
        result: what stands behind `return`, of an expression for each of the graph's outputs.
    """
    ordered, sections = in_sections(graph, optimizer)
    names = Names("np", mark="_")
    name = names(name)
    contents = Contents(names)
    inputs = [names(wish) for wish in arguments]
    state = [names(wish) for wish in state_wishes(graph.state_names)]
    weights = dict(zip(graph.state_inputs, map(Expression, state), strict=True))
    weights.update(zip(graph.inputs, map(Expression, inputs), strict=True))
    writer = _Reader(contents, weights, Naming(graph, inputs, state, outputs, sections))
    texts = [text for text in writer.function(ordered) if not text.lstrip().startswith("# ")]
    body = _noted(texts, writer, sections)
    body += _kept(graph, state, writer)
    body = _rebound(body, state)
    if graph.outputs:
        body.append(Line(f"return {result([str(writer.expression(v)) for v in graph.outputs])}"))
    fixed = [
        *(f"{name} = ...  # {shaped(array)}" for name, array in contents.constants.items()),
        *contents.fixed,
    ]
    head = [
        *fixed,
        *([""] * 2 if fixed else []),
        f"def {name}({', '.join(inputs)}):",
        *_docstring(title, graph, inputs, state),
        *_changed([state[i] for i in graph.changes]),
    ]
    return Listing(head, body, inputs, state, _tagged(graph, writer, texts, body))


def _docstring(title: str, graph: Graph, inputs: Sequence[str], state: Sequence[str]) -> list[str]:
    """What the function takes, and the state that it reads and keeps by name."""
    lines = [f"{plain(title)}.", ""] if title else []
    for kind, names, values in (("Args", inputs, graph.inputs), ("State", state, graph.state_inputs)):
        # A name and its type stay on one line.
        listed = ", ".join(f"{name}\0{v.aval}" for name, v in zip(names, values, strict=True))
        if listed:
            wrapped = textwrap.wrap(f"{kind}: {listed}", _WIDTH, subsequent_indent=_INDENT)
            lines += [line.replace("\0", " ") for line in wrapped]
    if len(lines) < 2:
        return [f'{_INDENT}"""{line}"""' for line in lines]
    return [f"{_INDENT}{line}".rstrip() for line in (f'"""{lines[0]}', *lines[1:], '"""')]


def _changed(state: Sequence[str]) -> list[str]:
    """Statements that say which parts of the state get a new value."""
    lines = textwrap.wrap(", ".join(state), _WIDTH - len("global "))
    return [f"{_INDENT}global {line.rstrip(',')}" for line in lines]


def _noted(texts: Sequence[str], writer: _Reader, sections: Mapping[Node, str]) -> list[Line]:
    """The lines with what belongs to them; those of a loop belong to the section that the loop is in."""
    lines: list[Line] = []
    for text in texts:
        node = writer.notes.get(text.strip())
        if node is None:
            lines.append(replace(lines[-1], text=text, note="") if lines else Line(text))
            continue
        note = "" if node.primitive.name in STATEMENTS else ", ".join(str(v.aval) for v in node.outputs)
        within = sections.get(node, lines[-1].section if lines else "")
        lines.append(Line(text, note, within, node.scope))
    return lines


def _kept(graph: Graph, state: Sequence[str], writer: _Reader) -> list[Line]:
    """Lines that give state its new value where that has another name."""
    lines = []
    for i, now in graph.changes.items():
        text = str(writer.expression(now))
        if text != state[i]:
            lines.append(Line(f"{state[i]} = {text}"))
    return lines


def _rebound(lines: list[Line], state: Sequence[str]) -> list[Line]:
    """The lines with a new value of the state under the state's own name, where nothing reads the old one after it."""
    words = [set(_WORD.findall(line.text)) for line in lines]
    for name in state:
        last = next((i for i, line in enumerate(lines) if re.fullmatch(rf"{name} = (\w+)", line.text)), None)
        if last is None or not lines[last].text.startswith(f"{name} = new_{name}"):
            continue
        new = lines[last].text.split(" = ")[1]
        first = next(i for i, found in enumerate(words) if new in found)
        if any(name in found for i, found in enumerate(words) if i > first and i != last):
            continue
        pattern = re.compile(rf"\b{new}\b")
        lines = [replace(line, text=pattern.sub(name, line.text)) for line in lines]
        del lines[last], words[last]
    return lines


def _tagged(graph: Graph, writer: _Reader, texts: Sequence[str], body: Sequence[Line]) -> Graph:
    """The graph, with a node's line for its scope."""
    numbers = {text.strip(): i for i, text in enumerate(texts)}
    labels = [line.text.strip() for line in body]
    readers: dict[Node, Node] = {}
    for user in _all(graph):
        for v in user.inputs:
            if v.node is not None:
                readers[v.node] = user

    def label(node: Node) -> str:
        while node not in writer.lines and node in readers:
            node = readers[node]
        number = numbers.get(writer.lines.get(node, "").strip())
        return "" if number is None else labels[number]

    def visit(builder: Builder, node: Node, inputs: tuple[Value, ...]) -> Sequence[Value]:
        builder.scope = label(node)
        params = {key: _inside(value, visit) for key, value in node.params.items()}
        return builder.emit_all(node.primitive, inputs, params)

    return rebuild(graph, visit)


def _inside(param: Any, visit: Any) -> Any:
    if isinstance(param, tuple):
        return tuple(_inside(one, visit) for one in param)
    return rebuild(param, visit) if isinstance(param, Graph) else param


def _all(graph: Graph) -> Iterable[Node]:
    for node in graph.nodes:
        yield node
        for inner in node.subgraphs:
            yield from _all(inner)


def shown(listing: Listing) -> str:
    """The function as text: below a heading for each section, and a comment for each layer."""
    lines = list(listing.head)
    section = scope = ""
    several = len({line.section for line in listing.body if line.section}) > 1
    for line in listing.body:
        if several and line.section and line.section != section:
            section, scope = line.section, ""
            lines += ["", f"{_INDENT}# ---- {section} ----"]
        if line.scope and line.scope != scope:
            scope = line.scope
            indentation = line.text[: len(line.text) - len(line.text.lstrip())]
            lines.append(f"{_INDENT}{indentation}# {printable(scope)}")
        lines.append(f"{_INDENT}{line}")
    return "".join(f"{line}\n" for line in lines)
