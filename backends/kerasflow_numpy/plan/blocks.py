"""Blocks: the parts of a program that work sample by sample, run a few samples at a time, on several threads.

Between a batch and its loss, and back again, most operations treat every sample
alike. Run one operation at a time, each array goes through memory once for each
of them; run a few samples at a time through all of them, the arrays stay in the
processor's cache, and threads need not wait for each other. So this pass
collects such nodes into bodies. Sums over the batch (the gradients of weights)
are taken block by block where that is cheap, and added up behind.

Every node has a time. Blocks run at odd times, everything else at even times:
what a block makes is used in the same block only along the same cut.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kerasflow.graph import Constant, Graph, Node, Primitive, ShapedArray, Value, evaluate, infer
from kerasflow.passes.parted_scans import scan_part, scan_splits
from kerasflow.passes.partition import Split, part_params, splits
from kerasflow.primitives.builder import Builder
from kerasflow.primitives.collective import MEETINGS
from kerasflow_numpy.plan.cutting import cut

# The largest array of a block. Smaller ones would stay in the cache, but each call from Python costs more then.
BLOCK_BYTES = 1 << 22
# Operations on fewer elements than this, on average, are not worth a call on each of several threads.
MIN_ELEMENTS = 1 << 15
# A sum over the batch of more bytes than this is taken at once, behind the blocks.
PARTIAL_BYTES = 1 << 18

# What costs less to compute again than to write to memory and to read, and how many of these in a row.
CHEAP = frozenset(
    "add subtract multiply negative square absolute maximum minimum clip where bit_mask mask_bits astype "
    "equal not_equal less less_equal greater greater_equal logical_and logical_or logical_not".split()
)
MAX_LINKS = 3
# What is drawn for samples.
DRAWN = frozenset(("random_bits", "random_part"))


def _evaluate(
    *arrays: Any, body: Graph, count: int, cuts: tuple[int | None, ...], joins: tuple[int | None, ...]
) -> tuple[Any, ...]:
    runs = [
        evaluate(body, [], [cut(a, axis, k, count) for a, axis in zip(arrays, cuts, strict=True)])[0]
        for k in range(count)
    ]
    return tuple(
        np.stack(parts) if axis is None else np.concatenate(parts, axis)
        for parts, axis in zip(zip(*runs, strict=True), joins, strict=True)
    )


def _rule(
    *avals: ShapedArray, body: Graph, count: int, cuts: tuple[int | None, ...], joins: tuple[int | None, ...]
) -> tuple[ShapedArray, ...]:
    return tuple(_joined(v.aval, axis, count) for v, axis in zip(body.outputs, joins, strict=True))


def _joined(aval: ShapedArray, axis: int | None, count: int) -> ShapedArray:
    if axis is None:
        return ShapedArray((count, *aval.shape), aval.dtype)
    return ShapedArray(_resize(aval.shape, axis, aval.shape[axis] * count), aval.dtype)


def _resize(shape: tuple[int, ...], axis: int | None, size: int) -> tuple[int, ...]:
    return tuple(size if i == axis else n for i, n in enumerate(shape))


# `body` applied to each of `count` blocks. For each operand `cuts` has the axis along which it is cut (None: all of
# it); for each result `joins` has the axis along which the blocks' results are joined (None: stacked in front).
blocks = Primitive("blocks", _evaluate, _rule, multiple_results=True)


@dataclass
class _Schedule:
    """When everything runs, and how.

    Attributes:
        times: of each value: 0 if given, odd if it is a block's, else even.
        splits: of each node in a block. axes: the axis along which a block's result is cut.
        nodes: by time, in order.
    """

    times: dict[Value, int] = field(default_factory=dict)
    splits: dict[Node, Split] = field(default_factory=dict)
    axes: dict[Value, int] = field(default_factory=dict)
    nodes: dict[int, list[Node]] = field(default_factory=lambda: defaultdict(list))


def block(graph: Graph, apart: set[Node], threads: int) -> Graph:
    """The graph with its sample-by-sample work in `blocks` nodes.

    Args:
        apart: nodes to leave as they are.
        threads: on how many the blocks may run.
    """
    samples = next((v.aval.shape[0] for v in graph.inputs if v.aval.ndim), 0)
    if samples < 2:
        return graph
    schedule = _schedule(graph, apart, samples)
    return _Blocks(graph, schedule, samples, threads).run()


def _schedule(graph: Graph, apart: set[Node], samples: int) -> _Schedule:
    schedule = _Schedule()
    # Along which axis a value holds samples; weights hold none, whatever their sizes happen to be.
    batch = {v: 0 for v in graph.inputs if v.aval.ndim and v.aval.shape[0] == samples}
    # What depends on samples; where it is not known along which axis it holds them, one of their number is taken.
    held = set(batch)
    meeting = 0
    for node in graph.nodes:
        found = None if node in apart else _choose(node, schedule, batch, samples)
        if found is None:
            # Even times begin behind the block before them.
            time = max((_even(schedule.times.get(v, 0)) for v in node.inputs), default=0)
            if node.primitive.name in MEETINGS:
                time = meeting = max(time, meeting)  # Other ranks come to them in the order of the graph.
            depends = node.primitive.name in DRAWN or not held.isdisjoint(node.inputs)
            for v in node.outputs:
                schedule.times[v] = time
                if depends:
                    held.add(v)
                if depends and samples in v.aval.shape:
                    batch[v] = v.aval.shape.index(samples)
        else:
            time, split = found
            schedule.splits[node] = split
            for v, axis in zip(node.outputs, split.results, strict=True):
                schedule.times[v] = time + (axis is None)
                if axis is not None:
                    schedule.axes[v] = batch[v] = axis
                    held.add(v)
        schedule.nodes[time].append(node)
    return schedule


def _even(time: int) -> int:
    return time + time % 2


def _choose(
    node: Node, schedule: _Schedule, batch: dict[Value, int], samples: int
) -> tuple[int, Split] | None:
    """The cut that lets the node run earliest, and when; None if it cannot be cut along the samples."""
    best: tuple[int, int, Split] | None = None
    several = scan_splits(node, samples, batch) if node.primitive.name == "scan" else iter(())
    for split in several if len(node.outputs) > 1 else splits(node, samples):
        pairs = list(zip(node.inputs, split.operands, strict=True))
        along = sum(axis is not None and batch.get(v) == axis for v, axis in pairs)
        if not along or (split.result is None and not _is_cheap_sum(node)):
            continue
        time = 1
        for v, axis in pairs:
            made = schedule.times.get(v, 0)
            if made % 2 and (axis is None or schedule.axes[v] != axis):
                made += 1
            time = max(time, made if made % 2 else made + 1)
        if best is None or (time, -along) < best[:2]:
            best = (time, -along, split)
    return None if best is None else (best[0], best[2])


def _work(node: Node) -> tuple[int, int]:
    """How many elements a node computes, and with how many calls."""
    if node.primitive.view:
        return 0, 0
    if node.primitive.name == "scan":
        steps = [_work(n) for n in node.params["body"].nodes]
        return tuple(node.params["length"] * sum(numbers) for numbers in zip(*steps, strict=True))
    return sum(v.aval.size for v in node.outputs), 1


def _is_cheap_sum(node: Node) -> bool:
    aval = node.outputs[0].aval
    return aval.dtype.char in "fdFD" and aval.nbytes <= PARTIAL_BYTES


Times = dict[Value, set[int]]


def _uses(graph: Graph, nodes_at: dict[int, list[Node]]) -> tuple[Times, Times]:
    """When each value is read (-1: by the caller), and when it is computed."""
    used: Times = defaultdict(set)
    homes: Times = defaultdict(set)
    for time, nodes in nodes_at.items():
        for node in nodes:
            for v in node.inputs:
                used[v].add(time)
            for v in node.outputs:
                homes[v].add(time)
    for v in graph.results:
        used[v].add(-1)
    return used, homes


def recompute(graph: Graph, schedule: _Schedule, times: set[int]) -> None:
    """Have later blocks compute again what is cheap, rather than read what an earlier one has written to memory.

    Args:
        times: when the blocks run.
    """
    order = {node: i for i, node in enumerate(graph.nodes)}
    used, homes = _uses(graph, schedule.nodes)
    cut_otherwise = {
        v
        for node, split in schedule.splits.items()
        for v, axis in zip(node.inputs, split.operands, strict=True)
        if v in schedule.axes and axis != schedule.axes[v]
    }
    for time in sorted(times):
        for node in schedule.nodes[time]:
            v = node.outputs[0]
            later = used[v] - homes[v]
            if not later or not later <= times or v in cut_otherwise:
                continue
            links = _links(node, time, used, homes)
            if links is None:
                continue
            for other in later:
                for link in links:
                    if other not in homes[link.outputs[0]]:
                        homes[link.outputs[0]].add(other)
                        schedule.nodes[other].append(link)
                        for x in link.inputs:
                            used[x].add(other)
                schedule.nodes[other].sort(key=order.__getitem__)
    for time in times:
        schedule.nodes[time] = _needed(schedule.nodes[time], time, used, homes)


def _links(node: Node, time: int, used: Times, homes: Times) -> list[Node] | None:
    """The few cheap nodes that compute a value from what other blocks can read; None if there are others."""
    links: list[Node] = []
    pending = [node]
    while pending:
        link = pending.pop()
        if link.primitive.name not in CHEAP or len(links) == MAX_LINKS:
            return None
        links.append(link)
        for v in link.inputs:
            # Others can read it if it is not from this block, or is handed out anyway.
            if v.node is not None and time in homes[v] and not used[v] - homes[v] and v.node not in links:
                pending.append(v.node)
    return links


def _needed(nodes: list[Node], time: int, used: Times, homes: Times) -> list[Node]:
    """The nodes of a block that are read in it, or handed out by it."""
    kept: list[Node] = []
    read: set[Value] = set()
    for node in reversed(nodes):
        if any(v in read or (time == min(homes[v]) and used[v] - homes[v]) for v in node.outputs):
            kept.append(node)
            read.update(node.inputs)
    return kept[::-1]


class _Blocks(Builder):
    """Builds the graph with bodies."""

    def __init__(self, graph: Graph, schedule: _Schedule, samples: int, threads: int) -> None:
        super().__init__()
        self.graph = graph
        self.schedule = schedule
        self.samples = samples
        self.threads = threads
        self.env: dict[Value, Value] = {}

    def run(self) -> Graph:
        g, nodes_at = self.graph, self.schedule.nodes
        counts = {time: self._count(nodes) if time % 2 else 0 for time, nodes in nodes_at.items()}
        recompute(g, self.schedule, {time for time, count in counts.items() if count})
        used, homes = _uses(g, nodes_at)
        for time in sorted(nodes_at):
            if not counts[time]:
                for node in nodes_at[time]:
                    self._copy(node)
                continue
            # A view is taken again outside; what it is a view of is handed out.
            views = []
            for node in reversed(nodes_at[time]):
                if node.primitive.view and used[node.outputs[0]] - homes[node.outputs[0]]:
                    used[node.inputs[0]].add(-1)
                    views.append(node)
            results = [v for n in nodes_at[time] if not n.primitive.view for v in n.outputs]
            handed = [v for v in results if time == min(homes[v]) and used[v] - homes[v]]
            self._block(nodes_at[time], counts[time], handed)
            for node in reversed(views):
                self._copy(node)
        if not any(node.primitive is blocks for node in self.nodes):
            return g
        outputs = [self.env.get(v, v) for v in g.outputs]
        state = [self.env.get(v, v) for v in g.state_outputs]
        return Graph(g.inputs, self.nodes, outputs, g.state_inputs, state, g.state_names)

    def _copy(self, node: Node) -> None:
        made = self.keep(node, tuple(self.env.get(v, v) for v in node.inputs))
        self.env.update(zip(node.outputs, made, strict=True))

    def _count(self, nodes: list[Node]) -> int:
        """In how many blocks; 0 if they are not worth it."""
        work = [_work(n) for n in nodes]
        elements, calls = (sum(numbers) for numbers in zip(*work, strict=True))
        if calls < 2 or elements < MIN_ELEMENTS * calls:
            return 0
        largest = max(v.aval.nbytes for n in nodes if not n.primitive.view for v in n.outputs)
        fair = [
            n
            for n in range(self.threads, self.samples + 1)
            if self.samples % n == 0 and n % self.threads == 0
        ]
        return next((n for n in fair if largest <= n * BLOCK_BYTES), fair[-1] if fair else 0)

    def _block(self, nodes: list[Node], count: int, results: list[Value]) -> None:
        inside: dict[Value, Value] = {}
        given: dict[tuple[Value, int | None], Value] = {}
        body: list[Node] = []

        def operand(v: Value, axis: int | None) -> Value:
            if v in inside:
                return inside[v]
            v = self.env.get(v, v)
            if isinstance(v, Constant) and axis is None:
                return v
            if (v, axis) not in given:
                size = 0 if axis is None else v.aval.shape[axis] // count
                given[v, axis] = Value(ShapedArray(_resize(v.aval.shape, axis, size), v.aval.dtype))
            return given[v, axis]

        for node in nodes:
            split = self.schedule.splits[node]
            inputs = [operand(v, axis) for v, axis in zip(node.inputs, split.operands, strict=True)]
            if node.primitive.name == "scan":
                params = scan_part(node, split, self.samples, count)
            else:
                params = part_params(node, split, count)
            avals = infer(node.primitive, [v.aval for v in inputs], params)
            body.append(Node(node.primitive, inputs, params, avals, node.scope))
            inside.update(zip(node.outputs, body[-1].outputs, strict=True))
        cuts = tuple(axis for _, axis in given)
        joins = tuple(self.schedule.axes.get(v) for v in results)
        graph = Graph(list(given.values()), body, [inside[v] for v in results])
        params = {"body": graph, "count": count, "cuts": cuts, "joins": joins}
        self.scope = ""
        for v, axis, made in zip(
            results, joins, self.emit_all(blocks, [v for v, _ in given], params), strict=True
        ):
            self.env[v] = made if axis is not None else self._sum(made, v)

    def _sum(self, parts: Value, whole: Value) -> Value:
        assert whole.node is not None
        self.scope = whole.node.scope
        return self.emit("sum", parts, axis=(0,), keepdims=False)
