"""Conditionals and loops: the text of a body stands in the outer function, behind an `if`, a `for` or a `while`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from kerasflow.graph import Graph, Node
from kerasflow_numpy.emit.code import Line, indented
from kerasflow_numpy.plan.storage import Place, Plan
from kerasflow_numpy.plan.subgraphs import carries, paired


class Generator(Protocol):
    """What of the code generator is needed here: `codegen.Generator`, which says what each part means."""

    plan: Plan
    lines: list[Line]

    def unique(self, wanted: str) -> str: ...

    def name(self, place: Place) -> str: ...

    def allocate(self, place: Place) -> None: ...

    def line(self, text: str) -> Line: ...

    def emit(self, *texts: str, note: str = "") -> None: ...

    def inside(
        self, graph: Graph, plan: Plan, inputs: Sequence[str], outputs: Sequence[str], state: Sequence[str]
    ) -> list[Line]: ...


def emit(generator: Generator, node: Node, args: list[str]) -> None:
    """Write a conditional or a loop into the function."""
    for v in node.outputs:
        generator.allocate(generator.plan.places[v])
    _EMITTERS[node.primitive.name](generator, node, args)


def _begin(generator: Generator, node: Node, args: list[str]) -> list[str]:
    """The carries' first values, where the carries are; the names of the carries."""
    first, places = node.params["constants"], generator.plan.places
    names = []
    for v, x, arg in zip(node.outputs[: carries(node)], node.inputs[first:], args[first:], strict=False):
        place, begin = places[v], places.get(x)
        names.append(generator.name(place))
        if begin is None or begin.storage is not place.storage:
            generator.emit(f"np.copyto({names[-1]}, {arg})")
    return names


def _block(generator: Generator, head: str, lines: Sequence[Line]) -> None:
    """Write a compound statement."""
    generator.emit(head)
    generator.lines.extend(indented(lines or [generator.line("pass")]))


def _slice(name: str, number: str, ndim: int) -> str:
    # Of a number an array, which can be written to.
    return f"{name}[{number}]" if ndim > 1 else f"{name}[{number}, ...]"


def _scan(generator: Generator, node: Node, args: list[str]) -> None:
    (plan,), params = generator.plan.inner[node], node.params
    c, n, length = params["constants"], params["carries"], params["length"]
    carried = _begin(generator, node, args)
    number = generator.unique("i")
    steps = f"range({length - 1}, -1, -1)" if params["reverse"] else f"range({length})"
    slices, lines = [], []
    stacks = [*args[c + n :], *(generator.name(generator.plan.places[v]) for v in node.outputs[n:])]
    for name, v in zip(stacks, [*node.inputs[c + n :], *node.outputs[n:]], strict=True):
        slices.append(generator.unique(f"{name}_i"))
        lines.append(generator.line(f"{slices[-1]} = {_slice(name, number, v.aval.ndim)}"))
    inputs = len(args) - c - n
    body = generator.inside(*plan, [*args[:c], *slices[:inputs]], slices[inputs:], carried)
    _block(generator, f"for {number} in {steps}:", [*lines, *body])


def _while_loop(generator: Generator, node: Node, args: list[str]) -> None:
    (test, body), c, maximum = generator.plan.inner[node], node.params["constants"], node.params["maximum"]
    carried = _begin(generator, node, args)
    flag = generator.plan.flags[node].name
    lines = generator.inside(*test, [*args[:c], *carried], [flag], [])
    lines += map(generator.line, (f"if not {flag}:", "    break"))
    lines += generator.inside(*body, args[:c], [], carried)
    head = "while True:" if maximum is None else f"for {generator.unique('_')} in range({maximum}):"
    _block(generator, head, lines)


def _switch(generator: Generator, node: Node, args: list[str]) -> None:
    plans = generator.plan.inner[node]
    pairs = paired(node, generator.plan.places)
    names = [generator.name(generator.plan.places[v]) for v in node.outputs]
    index, *operands = args
    inputs = [arg for j, arg in enumerate(operands) if j not in pairs]
    given = [name for i, name in enumerate(names) if i not in pairs.values()]
    state = [names[i] for i in pairs.values()]
    bodies = [generator.inside(*plan, inputs, given, state) for plan in plans]
    if node.inputs[0].aval.dtype == bool:
        heads, bodies = [f"if {index}:", "else:"], bodies[::-1]
    else:
        heads = [f"{'el' * (i > 0)}if {index} == {i}:" for i in range(len(bodies) - 1)]
        heads.append("else:" if heads else "if True:")
    for head, body in zip(heads, bodies, strict=True):
        _block(generator, head, body)


_EMITTERS: dict[str, Callable[[Generator, Node, list[str]], None]] = {
    "scan": _scan,
    "while_loop": _while_loop,
    "switch": _switch,
}
CONTROL = frozenset(_EMITTERS)
