"""Conditionals and loops: the text of a body stands in the outer function, behind an `if`, a `for` or a `while`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from kerasflow.graph import Node
from kerasflow_numpy.emit.code import Line, indented
from kerasflow_numpy.emit.writer import Writer
from kerasflow_numpy.plan.subgraphs import carries, paired


def emit(writer: Writer, node: Node, args: list[str]) -> None:
    """Write a conditional or a loop into the function."""
    for v in node.outputs:
        writer.allocate(writer.plan.places[v])
    _EMITTERS[node.primitive.name](writer, node, args)


def _begin(writer: Writer, node: Node, args: list[str]) -> list[str]:
    """The carries' first values, where the carries are; the names of the carries."""
    first, places = node.params["constants"], writer.plan.places
    names = []
    for v, x, arg in zip(node.outputs[: carries(node)], node.inputs[first:], args[first:], strict=False):
        place, begin = places[v], places.get(x)
        names.append(writer.name(place))
        if begin is None or begin.storage is not place.storage:
            writer.emit(f"np.copyto({names[-1]}, {arg})")
    return names


def _block(writer: Writer, head: str, lines: Sequence[Line]) -> None:
    """Write a compound statement."""
    writer.emit(head)
    writer.lines.extend(indented(lines or [writer.line("pass")]))


def _slice(name: str, number: str, ndim: int) -> str:
    # Of a number an array, which can be written to.
    return f"{name}[{number}]" if ndim > 1 else f"{name}[{number}, ...]"


def _scan(writer: Writer, node: Node, args: list[str]) -> None:
    (plan,), params = writer.plan.inner[node], node.params
    c, n, length = params["constants"], params["carries"], params["length"]
    carried = _begin(writer, node, args)
    number = writer.unique("i")
    steps = f"range({length - 1}, -1, -1)" if params["reverse"] else f"range({length})"
    slices, lines = [], []
    stacks = [*args[c + n :], *(writer.name(writer.plan.places[v]) for v in node.outputs[n:])]
    for name, v in zip(stacks, [*node.inputs[c + n :], *node.outputs[n:]], strict=True):
        slices.append(writer.unique(f"{name}_i"))
        lines.append(writer.line(f"{slices[-1]} = {_slice(name, number, v.aval.ndim)}"))
    inputs = len(args) - c - n
    body = writer.inside(*plan, [*args[:c], *slices[:inputs]], slices[inputs:], carried)
    _block(writer, f"for {number} in {steps}:", [*lines, *body])


def _while_loop(writer: Writer, node: Node, args: list[str]) -> None:
    (test, body), c, maximum = writer.plan.inner[node], node.params["constants"], node.params["maximum"]
    carried = _begin(writer, node, args)
    flag = writer.plan.flags[node].name
    lines = writer.inside(*test, [*args[:c], *carried], [flag], [])
    lines += map(writer.line, (f"if not {flag}:", "    break"))
    lines += writer.inside(*body, args[:c], [], carried)
    head = "while True:" if maximum is None else f"for {writer.unique('_')} in range({maximum}):"
    _block(writer, head, lines)


def _switch(writer: Writer, node: Node, args: list[str]) -> None:
    plans = writer.plan.inner[node]
    pairs = paired(node, writer.plan.places)
    names = [writer.name(writer.plan.places[v]) for v in node.outputs]
    index, *operands = args
    inputs = [arg for j, arg in enumerate(operands) if j not in pairs]
    given = [name for i, name in enumerate(names) if i not in pairs.values()]
    state = [names[i] for i in pairs.values()]
    bodies = [writer.inside(*plan, inputs, given, state) for plan in plans]
    if node.inputs[0].aval.dtype == bool:
        heads, bodies = [f"if {index}:", "else:"], bodies[::-1]
    else:
        heads = [f"{'el' * (i > 0)}if {index} == {i}:" for i in range(len(bodies) - 1)]
        heads.append("else:" if heads else "if True:")
    for head, body in zip(heads, bodies, strict=True):
        _block(writer, head, body)


_EMITTERS: dict[str, Callable[[Writer, Node, list[str]], None]] = {
    "scan": _scan,
    "while_loop": _while_loop,
    "switch": _switch,
}
CONTROL = frozenset(_EMITTERS)
