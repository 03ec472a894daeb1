"""Arrays that are taken apart, updated in parts and put together again are updated as wholes, which can be in place.

So do models that generate text with their cache: each layer takes its keys and values out of it, puts those of the new
token in, and the stack of all layers' is the next step's cache. As it stands, that copies the cache twice a token.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from kerasflow.graph import Constant, Graph, Node, Value
from kerasflow.primitives.builder import Builder
from kerasflow.primitives.elementwise import broadcast_shapes


@dataclass(frozen=True)
class Part:
    """A value as a part of an array, the root, some of which has been updated.

    Attributes:
        starts, sizes: where the part is, for each axis of the root.
        axes: for each axis of the value the root's, or None for one of a single entry.
        updates: the scatters that have changed the part.
    """

    root: Value
    starts: tuple[int, ...]
    sizes: tuple[int, ...]
    axes: tuple[int | None, ...]
    updates: frozenset[Node] = frozenset()

    @property
    def is_whole(self) -> bool:
        """Whether it is the whole root, in its shape."""
        own = (a is None or a == i for i, a in enumerate(self.axes))
        return self.sizes == self.root.aval.shape and len(self.axes) == len(self.sizes) and all(own)

    def meets(self, other: Part) -> bool:
        """Whether parts of one root have entries in common."""
        boxes = zip(self.starts, self.sizes, other.starts, other.sizes, strict=True)
        return all(a < b + m and b < a + n for a, n, b, m in boxes)


def _whole(value: Value) -> Part:
    shape = value.aval.shape
    return Part(value, (0,) * len(shape), shape, tuple(range(len(shape))))


def _taken(part: Part, node: Node) -> Part | None:
    starts, sizes = list(part.starts), list(part.sizes)
    for axis, (start, _, step), n in zip(
        part.axes, node.params["index"], node.outputs[0].aval.shape, strict=True
    ):
        if step != 1 or n == 0:
            return None
        if axis is not None:
            starts[axis] += start
            sizes[axis] = n
    return replace(part, starts=tuple(starts), sizes=tuple(sizes))


def _reshaped(part: Part, node: Node) -> Part | None:
    """The part with axes of one entry more or less."""
    before, after = node.inputs[0].aval.shape, node.outputs[0].aval.shape
    if [n for n in before if n != 1] != [n for n in after if n != 1]:
        return None
    long = (axis for axis, n in zip(part.axes, before, strict=True) if n != 1)
    return replace(part, axes=tuple(None if n == 1 else next(long) for n in after))


def _joined(parts: Sequence[Part], axis: int) -> Part | None:
    """Parts that lie one behind the other along an axis, as one."""
    first, last = parts[0], parts[-1]
    if any(p.root is not first.root for p in parts):
        return None
    along = [i for i, (a, b) in enumerate(zip(first.starts, last.starts, strict=True)) if a != b]
    if len(along) != 1 or first.axes[axis] not in (None, along[0]):
        return None
    (r,) = along
    at = first.starts[r]
    for p in parts:
        if p != replace(
            first,
            starts=_with(first.starts, r, at),
            sizes=_with(first.sizes, r, p.sizes[r]),
            updates=p.updates,
        ):
            return None
        at += p.sizes[r]
    axes = _with(first.axes, axis, r)
    own = [a for a in axes if a is not None]
    if own != sorted(set(own)):
        return None
    updates = frozenset().union(*(p.updates for p in parts))
    return replace(first, sizes=_with(first.sizes, r, at - first.starts[r]), axes=axes, updates=updates)


def _with(values: tuple[Any, ...], i: int, value: Any) -> tuple[Any, ...]:
    return (*values[:i], value, *values[i + 1 :])


def _part(node: Node, found: dict[Value, Part]) -> Part | None:
    """Of which array the node's result is a part; None if of none."""
    parts = [found.get(v) or _whole(v) for v in node.inputs]
    match node.primitive.name:
        case "getitem":
            return _taken(parts[0], node)
        case "reshape":
            return _reshaped(parts[0], node)
        case "concatenate":
            return _joined(parts, node.params["axis"]) if len(parts) > 1 else None
        case "scatter" if node.params["mode"] == "set" and node.inputs[0] in found:
            return replace(parts[0], updates=parts[0].updates | {node})
    return None


@dataclass
class _Version:
    """The root after some of the updates."""

    value: Value
    applied: dict[Node, Part] = field(default_factory=dict)

    def has(self, part: Part) -> bool:
        """Whether the part is in it as it should be."""
        return {node for node, box in self.applied.items() if box.meets(part)} == part.updates


class _Rewriter(Builder):
    """Rebuilds a graph; `parts` are those whose roots are put together again, `updates` what is done to them."""

    def __init__(self, graph: Graph, parts: dict[Value, Part], updates: set[Node]) -> None:
        super().__init__()
        self.graph = graph
        self.parts = parts
        self.updates = updates
        self.env: dict[Value, Value] = {}
        self.versions = {p.root: [_Version(p.root)] for p in parts.values()}

    def run(self) -> Graph:
        for node in self.graph.nodes:
            self.scope = node.scope
            if node in self.updates:
                self._update(node)
            if node.outputs[0] in self.versions or self._version(node.outputs[0]) is None:
                made = self.keep(node, tuple(map(self._value, node.inputs)))
                self.env.update(zip(node.outputs, made, strict=True))
        outputs, state = (list(map(self._value, v)) for v in (self.graph.outputs, self.graph.state_outputs))
        return replace(self.graph, nodes=self.nodes, outputs=outputs, state_outputs=state)

    def _version(self, value: Value) -> _Version | None:
        """The newest version of its root that a part is in."""
        part = self.parts.get(value)
        if part is None:
            return None
        return next((v for v in reversed(self.versions[part.root]) if v.has(part)), None)

    def _value(self, value: Value) -> Value:
        """What a value is in the new graph: of a part, a view of the newest version, so that none reads older ones."""
        version = self._version(value)
        if version is None:
            return self.env.get(value, value)
        part = self.parts[value]
        found = self.env.get(version.value, version.value)
        if part.sizes != part.root.aval.shape:
            index = tuple((a, a + n, 1) for a, n in zip(part.starts, part.sizes, strict=True))
            found = self.emit("getitem", found, index=index)
        return found if found.aval == value.aval else self.emit("reshape", found, shape=value.aval.shape)

    def _update(self, node: Node) -> None:
        """Do to the root what the node does to a part, if that is possible."""
        before, part = self.parts[node.inputs[0]], self.parts[node.outputs[0]]
        last = self.versions[part.root][-1]
        places = _places(before, node.inputs[2:])
        if places is not None and last.has(before):
            root = self.env.get(last.value, last.value)
            value = self.emit("scatter", root, *map(self._value, [node.inputs[1], *places]), mode="set")
            self.versions[part.root].append(_Version(value, {**last.applied, node: part}))


def _places(part: Part, indices: Sequence[Value]) -> list[Value] | None:
    """Indices of all axes of a part as indices of its root."""
    if len(indices) != len(part.axes):
        return None
    shape = part.root.aval.shape
    places: list[Value] = [Constant(np.asarray(start)) for start in part.starts]
    for axis, index in zip(part.axes, indices, strict=True):
        n = 1 if axis is None else part.sizes[axis]
        if axis is not None and n == shape[axis]:
            places[axis] = index
        elif not isinstance(index, Constant) or ((index.array < 0) | (index.array >= n)).any():
            return None
        elif axis is not None:
            places[axis] = Constant(index.array + part.starts[axis])
    broadcast = [broadcast_shapes(*(v.aval.shape for v in vs)) for vs in (indices, places)]
    return places if broadcast[0] == broadcast[1] else None


def update_whole(graph: Graph) -> Graph:
    """The graph with arrays that are updated in parts updated as wholes; sub-graphs stay as they are."""
    parts: dict[Value, Part] = {}
    wholes: dict[Value, Part] = {}
    for node in graph.nodes:
        part = _part(node, parts)
        if part is not None:
            parts[node.outputs[0]] = part
            if node.primitive.name == "concatenate" and part.is_whole and part.updates:
                wholes.setdefault(part.root, part)
    if not wholes:
        return graph
    parts = {v: part for v, part in parts.items() if part.root in wholes}
    updates = {node for part in wholes.values() for node in part.updates}
    parts.update((root, _whole(root)) for root in wholes)
    return _Rewriter(graph, parts, updates).run()
