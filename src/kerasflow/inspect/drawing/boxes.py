"""What a picture of a graph shows: boxes and arrows, by operation or by layer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field

from kerasflow.graph import Constant, Graph, Node, ShapedArray, Value, split_scope
from kerasflow.text import shortened

# Of a longer name the beginning is shown.
LONGEST = 60

# The kinds of boxes.
INPUT, STATE, OPERATION, RESULT = "input", "state", "operation", "result"


@dataclass
class Box:
    """A box of the picture.

    Attributes:
        kind: one of those above. title, detail: its two lines.
        layer: where it comes from, "" if that is not known. gradient: whether it is a part of the derivative.
    """

    kind: str
    title: str
    detail: str = ""
    layer: str = ""
    gradient: bool = False

    def __post_init__(self) -> None:
        self.title, self.layer = shortened(self.title, LONGEST), shortened(self.layer, LONGEST)


@dataclass
class Boxes:
    """Boxes by what they stand for, in an order in which arrows lead forwards, and the arrows: pairs of those."""

    boxes: dict[Hashable, Box] = field(default_factory=dict)
    arrows: list[tuple[Hashable, Hashable]] = field(default_factory=list)


def boxes_of(graph: Graph, layers: bool = False, inputs: Mapping[int, str] | None = None) -> Boxes:
    """What the picture of a graph shows.

    Args:
        layers: a box for each layer and for each layer's derivative, without the state; else for each operation.
        inputs: what makes some of the inputs, by their places.
    """
    found = Boxes()
    source: dict[Value, Hashable] = {}  # in which box a value is made

    def add(value: Value, box: Box) -> None:
        found.boxes[value], source[value] = box, value

    def lead(value: Value, target: Hashable) -> None:
        if source.get(value, target) != target:
            found.arrows.append((source[value], target))

    titles = dict(enumerate(_numbered(INPUT, len(graph.inputs)))) | dict(inputs or {})
    for i, value in enumerate(graph.inputs):
        add(value, Box(INPUT, titles[i], _typed(value.aval)))
    names = ["/".join(name.split("/")[-2:]) for name in graph.state_names] or _numbered(
        STATE, len(graph.state_inputs)
    )
    if not layers:
        read = {v for node in graph.nodes for v in node.inputs} | set(graph.outputs)
        for value, name in zip(graph.state_inputs, names, strict=True):
            if value in read:
                add(value, Box(STATE, name, _typed(value.aval)))
    counts = Counter(node.scope for node in graph.nodes)
    for node in graph.nodes:
        key: Hashable = node.scope if layers else node
        if key not in found.boxes:
            found.boxes[key] = _layer(node, counts[node.scope]) if layers else _operation(node)
        for value in node.inputs:
            lead(value, key)
        source.update(dict.fromkeys(node.outputs, key))
    for value, title in zip(graph.outputs, _numbered(RESULT, len(graph.outputs)), strict=True):
        found.boxes[RESULT, title] = Box(RESULT, title, _typed(value.aval))
        lead(value, (RESULT, title))
    if not layers:
        for i, now in graph.changes.items():
            key = STATE, graph.state_inputs[i]
            found.boxes[key] = Box(STATE, f"new {names[i]}", _typed(now.aval))
            lead(now, key)
    found.arrows = list(dict.fromkeys(found.arrows))
    return found


def _operation(node: Node) -> Box:
    layer, gradient = split_scope(node.scope)
    return Box(OPERATION, _call(node), ", ".join(_typed(v.aval) for v in node.outputs), layer, gradient)


def _layer(node: Node, count: int) -> Box:
    layer, gradient = split_scope(node.scope)
    return Box(OPERATION, node.scope or "(other)", f"{count} operation{'s' * (count > 1)}", layer, gradient)


def _numbered(name: str, count: int) -> list[str]:
    return [name] if count == 1 else [f"{name} {i}" for i in range(count)]


def _typed(aval: ShapedArray) -> str:
    sizes = " × ".join(map(str, aval.shape)) or "number"
    return sizes if aval.dtype.kind == "f" else f"{sizes} {aval.dtype}"


def _call(node: Node) -> str:
    """The operation's name; with its operands where one of them is a number."""
    operands = [
        f"{v.array.item():.4g}" if isinstance(v, Constant) and v.aval.size == 1 else "·" for v in node.inputs
    ]
    plain = all(operand == "·" for operand in operands)
    return node.primitive.name if plain else f"{node.primitive.name}({', '.join(operands)})"
