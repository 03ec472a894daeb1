"""Cutting a graph for the ranks of a group: one program, each rank on its own rows of the batch.

Every value is *whole* (the same on each rank), *split* (each rank has its rows of it) or *partial* (each rank has a
term of a sum). `partition` says how each primitive acts on split values; what is linear keeps a partial one. Where a
node needs another state than its operands have, the ranks meet: a partial value is added up, a split one joined. GSPMD
(Xu et al., 2021) and Mesh-TensorFlow (Shazeer et al., 2018) know the same three states.

What cannot go on waits, and all else goes first: so the sums that many nodes wait for are made in one meeting, and the
number of meetings is the longest chain of values that need one another whole. What was made of terms is not added up
where it can be made again, of their sums; and what is found to be added up sooner or later goes with the first meeting
after it is there. The text is the same on all ranks that have equally many rows.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kerasflow.graph import Constant, Graph, Node, ShapedArray, Value
from kerasflow.passes.cse import eliminate_common_subexpressions
from kerasflow.passes.dce import eliminate_dead_code
from kerasflow.passes.parted_scans import scan_part, scan_splits
from kerasflow.passes.partition import Split, part_params, shorter, splits
from kerasflow.passes.rewrite import uniform_value
from kerasflow.primitives.builder import Builder
from kerasflow.primitives.collective import MEETINGS

# What gives a term of the result from terms of its operands: linear in all of them together, or in any one of them.
_OF_ALL = frozenset(
    "add subtract negative sum transpose reshape getitem concatenate identity stop_gradient".split()
)
_OF_ONE = frozenset(("multiply", "matmul"))


@dataclass(frozen=True)
class Rows:
    """Where a split value has its samples: along an axis, `outer` times all of them one after the other."""

    axis: int
    outer: int = 1


class _Partial:
    """Each rank has a term of the sum."""


PARTIAL = _Partial()
Layout = Rows | _Partial | None  # None: whole


@dataclass
class Sharded:
    """A graph for one rank.

    Attributes:
        graph: which takes the rank's rows of what is split among its inputs, and gives whole results.
        splits: for each input whether it is split along its first axis. rows: for each rank how many rows it has.
        meetings: how many times the ranks meet. sent: bytes that each rank gives to the others in a run.
        whole: why nodes run whole on every rank, though they depend on samples: their names, and how many.
    """

    graph: Graph
    splits: list[bool]
    rows: tuple[int, ...]
    meetings: int = 0
    sent: int = 0
    whole: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        """What a reader of a program or a profile is told."""
        counts = " + ".join(map(str, self.rows)) if len(set(self.rows)) > 1 else f"{self.rows[0]} each"
        text = (
            f"Shared out among {len(self.rows)} processes, rows of the batch: {counts}. They meet "
            f"{self.meetings} time{'s' * (self.meetings != 1)} a step, {self.sent:,} bytes from each."
        )
        if self.whole:
            names = ", ".join(f"{name} ({n})" if n > 1 else name for name, n in self.whole.items())
            text += f" Each computes for the whole batch what cannot be cut along it: {names}."
        return text


def shard(graph: Graph, rows: Sequence[int], size: int) -> Sharded | None:
    """Cut an optimized graph.

    Args:
        graph: of the whole batch: its inputs that have as many rows as the first one are split.
        rows: for each rank how many it gets. size: how many the rank has for which the graph is made.

    Returns:
        None where there is nothing to split: no input has that many rows, or a rank would have none.
    """
    samples = sum(rows)
    if min(rows) == 0 or not any(v.aval.ndim and v.aval.shape[0] == samples for v in graph.inputs):
        return None
    cut = _Cut(graph, tuple(rows), size)
    found = cut.run()
    return _Cut(graph, tuple(rows), size, cut.added).run() if found.meetings > 1 else found


class _Cut:
    """Cuts one graph.

    Args:
        soon: what has to be added up, if that is known.
    """

    def __init__(self, graph: Graph, rows: tuple[int, ...], size: int, soon: Sequence[Value] = ()) -> None:
        self.graph = graph
        self.rows = rows
        self.size = size
        self.samples = sum(rows)
        self.builder = Builder()
        # Of each value of the old graph: its layout (if it has one), what it is on this rank, and whole.
        self.layouts: dict[Value, Layout] = {}
        self.local: dict[Value, Value] = {}
        self.wholes: dict[Value, Value] = {}
        self.parts: dict[tuple[Value, Rows], Value] = {}
        # What has been made of terms whose sums are not there yet.
        self.linear: list[Node] = []
        self.soon = soon
        self.added: list[Value] = []
        self.found = Sharded(graph, [], rows)

    def run(self) -> Sharded:
        graph, found = self.graph, self.found
        inputs = []
        for v in graph.inputs:
            split = v.aval.ndim > 0 and v.aval.shape[0] == self.samples
            found.splits.append(split)
            if split:
                self.layouts[v] = Rows(0)
                self.local[v] = Value(self._shape(v.aval, Rows(0)))
            inputs.append(self.local.get(v, v))
        waiting = list(graph.nodes)
        while waiting:
            waiting, wanted = self._advance(waiting)
            self._meet(wanted)
        self._meet([v for v in graph.results if self._state(v) is not None])
        found.graph = Graph(
            inputs,
            self.builder.nodes,
            [self._whole(v) for v in graph.outputs],
            graph.state_inputs,
            [self._whole(v) for v in graph.state_outputs],
            graph.state_names,
        )
        found.graph = eliminate_dead_code(eliminate_common_subexpressions(found.graph))
        met = [node for node in found.graph.nodes if node.primitive.name in MEETINGS]
        found.meetings = len(met)
        found.sent = sum(v.aval.nbytes for node in met for v in node.inputs)
        return found

    # -- states ---------------------------------------------------------------------------------------------

    def _state(self, v: Value) -> Layout:
        """How a value lies; whole as soon as it is there as a whole."""
        return None if v in self.wholes else self.layouts.get(v)

    def _here(self, v: Value) -> Value:
        """What the value is on this rank."""
        return self.wholes.get(v) or self.local.get(v, v)

    def _whole(self, v: Value) -> Value:
        assert self._state(v) is None
        return self._here(v)

    def _sizes(self, length: int, rows: Rows) -> tuple[int, ...]:
        """For each rank the length of its part of an axis that has its samples once."""
        inner = length // (rows.outer * self.samples)
        return tuple(n * inner for n in self.rows)

    def _shape(self, aval: ShapedArray, rows: Rows) -> ShapedArray:
        return ShapedArray(shorter(aval.shape, rows.axis, self.samples, self.size), aval.dtype)

    # -- the walk -------------------------------------------------------------------------------------------

    def _advance(self, nodes: list[Node]) -> tuple[list[Node], list[Value]]:
        """Do what can be done without a meeting; the nodes that wait, and the values that they need whole."""
        waiting: list[Node] = []
        missing: set[Value] = set()
        wanted: dict[Value, None] = {}
        for node in nodes:
            self.builder.scope = node.scope
            needs = None if not missing.isdisjoint(node.inputs) else self._place(node)
            if needs is None or needs:
                waiting.append(node)
                missing.update(node.outputs)
                wanted.update(dict.fromkeys(needs or ()))
        return waiting, list(wanted)

    def _place(self, node: Node) -> list[Value]:
        """Compute a node on this rank; or the values that it needs whole first."""
        states = [self._state(v) for v in node.inputs]
        if all(state is None for state in states):
            self._place_whole(node)
            return []
        partial = [v for v, state in zip(node.inputs, states, strict=True) if state is PARTIAL]
        if partial:
            if not self._keeps_partial(node, states):
                return partial
            self._put(node, self._emit(node, list(map(self._here, node.inputs)), node.params), PARTIAL)
            self.linear.append(node)
            return []
        if node.primitive.name == "reshape" and self._place_reshape(node, states[0]):
            return []
        split = self._choose(node, states)
        if split is None:
            self.found.whole[node.primitive.name] += 1
            return [v for v, state in zip(node.inputs, states, strict=True) if state is not None]
        outer = next(state.outer for state in states if isinstance(state, Rows))
        inputs = [
            self._here(v) if axis is None else self._part(v, Rows(axis, outer))
            for v, axis in zip(node.inputs, split.operands, strict=True)
        ]
        if node.primitive.name == "scan":
            params = scan_part(node, split, self.samples, self.samples, self.size)
        else:
            params = part_params(node, split, self.samples, self.size)
        made = self._emit(node, inputs, params)
        for old, new, axis in zip(node.outputs, made, split.results, strict=True):
            self.local[old] = new
            self.layouts[old] = PARTIAL if axis is None else Rows(axis, outer)
        return []

    def _place_whole(self, node: Node) -> None:
        aval = node.outputs[0].aval
        inputs = [self._here(v) for v in node.inputs]
        if node.primitive.name == "random_bits" and aval.ndim and aval.shape[0] == self.samples:
            params = {**node.params, "sizes": self.rows, "size": self.size}
            self._put(node, self.builder.emit_all("random_part", inputs, params), Rows(0))
        else:
            self._put(node, self._emit(node, inputs, node.params), None)

    def _emit(self, node: Node, inputs: Sequence[Value], params: dict[str, Any]) -> tuple[Value, ...]:
        return self.builder.emit_all(node.primitive, inputs, params)

    def _put(self, node: Node, made: Sequence[Value], layout: Layout) -> None:
        for old, new in zip(node.outputs, made, strict=True):
            self.local[old] = new
            self.layouts[old] = layout

    def _place_reshape(self, node: Node, state: Layout) -> bool:
        """Samples that are merged with other axes, or taken out again, stay where they are in memory."""
        assert isinstance(state, Rows)
        old, new = node.inputs[0].aval.shape, node.params["shape"]
        before = math.prod(old[: state.axis]) * state.outer
        for axis, length in enumerate(new):
            outside = math.prod(new[:axis])
            if outside and before % outside == 0 and length % (before // outside * self.samples) == 0:
                rows = Rows(axis, before // outside)
                shape = shorter(new, axis, self.samples, self.size)
                self._put(node, [self.builder.emit("reshape", self._here(node.inputs[0]), shape=shape)], rows)
                return True
        return False

    def _choose(self, node: Node, states: list[Layout]) -> Split | None:
        """The way to cut a node that fits how its operands are split."""
        known = {state for state in states if isinstance(state, Rows)}
        if len({rows.outer for rows in known}) > 1:
            return None
        axes = [state.axis if isinstance(state, Rows) else None for state in states]
        if node.primitive.name == "scan":
            batch = {v: axis for v, axis in zip(node.inputs, axes, strict=True) if axis is not None}
            ways = (
                iter(()) if any(rows.outer > 1 for rows in known) else scan_splits(node, self.samples, batch)
            )
        elif len(node.outputs) > 1:
            return None
        else:
            ways = splits(node, self.samples)
        fitting = (
            way
            for way in ways
            if all(a is None or a == b for a, b in zip(axes, way.operands, strict=True))
            and (way.result is not None or node.outputs[0].aval.dtype.kind != "b")
        )
        return next(fitting, None)

    def _keeps_partial(self, node: Node, states: list[Layout]) -> bool:
        name, inputs, result = node.primitive.name, node.inputs, node.outputs[0].aval
        if any(isinstance(state, Rows) for state in states):
            return False
        partial = [i for i, state in enumerate(states) if state is PARTIAL]
        if result.size > max(inputs[i].aval.size for i in partial):
            return False
        if name == "astype":
            # Half-precision numbers are added up before: a sum that overflows has to, for the scale of the loss.
            source = inputs[0].aval.dtype
            return (
                source.kind == "f"
                and result.dtype.kind == "f"
                and result.dtype.itemsize >= source.itemsize > 2
            )
        if len(partial) == len(inputs) and name in _OF_ALL:
            return True
        return (name in _OF_ONE and len(partial) == 1) or (name == "divide" and partial == [0])

    # -- meetings -------------------------------------------------------------------------------------------

    def _meet(self, wanted: Sequence[Value]) -> None:
        """Make values whole: all sums in one meeting, those that are results too; each join in one of its own."""
        others = (v for v in (*self.soon, *self.graph.results) if self._state(v) is PARTIAL)
        wanted = [v for v in dict.fromkeys((*wanted, *others)) if self._state(v) is not None]
        again = self._made_of(wanted)
        made = {v for node in again for v in node.outputs}
        terms = [v for v in wanted if self.layouts[v] is PARTIAL and v not in made]
        if terms:
            self.builder.scope = terms[-1].node.scope if terms[-1].node else ""
            sums = self.builder.emit_all("all_reduce", [self.local[v] for v in terms], {})
            self.wholes.update(zip(terms, sums, strict=True))
            self.added += terms
        for node in again:
            self.builder.scope = node.scope
            new = self._emit(node, list(map(self._here, node.inputs)), node.params)
            self.wholes.update(zip(node.outputs, new, strict=True))
        for v in wanted:
            if v not in self.wholes:
                self.builder.scope = v.node.scope if v.node else ""
                self.wholes[v] = self._joined(v)

    def _made_of(self, wanted: Sequence[Value]) -> list[Node]:
        """The linear nodes whose operands are whole when what is wanted is; the others still have to wait."""
        asked = set(wanted)
        known = asked.difference(v for node in self.linear for v in node.outputs)
        again, left = [], []
        for node in self.linear:
            if all(v in known or self._state(v) is None for v in node.inputs):
                again.append(node)
                known.update(node.outputs)
            else:
                left.append(node)
                known.update(asked.intersection(node.outputs))
        self.linear = left
        return again

    def _joined(self, v: Value) -> Value:
        rows = self.layouts[v]
        assert isinstance(rows, Rows)
        if v.node is not None and v.node.primitive.name == "random_bits":
            seed = self._here(v.node.inputs[0])
            return self.builder.emit("random_bits", seed, **v.node.params)
        x = self.local[v]
        return self._around(x, rows, v.aval.shape, "all_gather", x.aval.shape)

    def _part(self, v: Value, rows: Rows) -> Value:
        """This rank's rows of a value."""
        if self._state(v) is not None or self.layouts.get(v) == rows:
            return self.local.get(v, v)
        if (v, rows) not in self.parts:
            x, aval = self._here(v), self._shape(v.aval, rows)
            value = uniform_value(x)
            if value is not None:
                scalar = Constant(np.asarray(value, aval.dtype))
                self.parts[v, rows] = self.builder.emit("broadcast_to", scalar, shape=aval.shape)
            else:
                self.parts[v, rows] = self._around(x, rows, v.aval.shape, "own_part", aval.shape)
        return self.parts[v, rows]

    def _around(
        self, x: Value, rows: Rows, shape: tuple[int, ...], primitive: str, own: tuple[int, ...]
    ) -> Value:
        """Gather a value along its samples, or take a part; where they are merged with others, taken apart for it.

        Args:
            shape: of the whole value. own: of this rank's part.
        """
        axis, sizes = rows.axis, self._sizes(shape[rows.axis], rows)
        length = sizes[self.rows.index(self.size)]
        if rows.outer > 1:
            x = self.builder.emit(
                "reshape",
                x,
                shape=(
                    *x.aval.shape[:axis],
                    rows.outer,
                    x.aval.shape[axis] // rows.outer,
                    *x.aval.shape[axis + 1 :],
                ),
            )
        y = self.builder.emit(primitive, x, axis=axis + (rows.outer > 1), sizes=sizes, size=length)
        if rows.outer > 1:
            y = self.builder.emit("reshape", y, shape=shape if primitive == "all_gather" else own)
        return y
