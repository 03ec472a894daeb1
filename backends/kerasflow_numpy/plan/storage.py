"""Where every value lives: liveness-planned memory, state in place, views for free.

Each value is put into a *storage*: a block of the workspace, a state array, an
input, or an array made at each call. A view shares its source's storage. An
element-by-element result takes over the storage of an operand that dies with it,
and a new state the storage of the old one where nobody reads the old one later.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kerasflow.graph import Constant, Graph, Node, ShapedArray, Value, evaluate_node
from kerasflow_numpy.plan.fusion import Group, schedule

Item = Node | Group

# The kinds of storage. What is `STATIC` is at the same place in every call, so that views of it are made once.
WORK, STATE, CONSTANT, INPUT, FRESH, LOCAL = "work", "state", "constant", "input", "fresh", "local"
# Memory from outside a body: what it reads and fills, at the same place in every call or passed to each.
GIVEN, PASSED = "given", "passed"
# Memory of this rank's that the other ranks see.
EXCHANGE = "exchange"
STATIC = (WORK, STATE, CONSTANT, GIVEN, EXCHANGE)
# A kind, and a sample: an array whose shape and strides count.
Memory = tuple[str, Any]

# Primitives with several results whose lowering fills the memory that was planned for them.
FILLING = ("blocks", "all_reduce", "collect_rows")
# Primitives that change a few elements of their first operand: in place, where it dies with them.
CHANGING = ("setitem", "scatter")


@dataclass(eq=False)
class Storage:
    """A piece of memory.

    Attributes:
        kind: one of the kinds above. aval: shape and dtype of the whole.
        first, last: the schedule positions between which a WORK block is in use.
        offset: a WORK block's place in the workspace, in bytes; that of EXCHANGE in what the rank shows the others.
        index: which state or input it is.
        array: a CONSTANT's contents.
        name: what the generated code calls it.
    """

    kind: str
    aval: ShapedArray
    first: int = 0
    last: int = 0
    offset: int = -1
    index: int = -1
    array: Any = None
    name: str = ""


@dataclass(eq=False)
class Place:
    """Where one value is: a storage, or a view of another place.

    Attributes:
        sample: an array of the value's shape, dtype and strides; its contents mean nothing.
        source, node: of a view, the place it is a view of and the node that tells how.
    """

    storage: Storage
    sample: np.ndarray[Any, Any]
    source: Place | None = None
    node: Node | None = None
    name: str = ""


@dataclass
class Given:
    """The memory that a body gets from outside, for its inputs (`INPUT`: arguments of a call), outputs and state."""

    inputs: list[Memory]
    outputs: list[Memory]
    state: list[Memory] = field(default_factory=list)


@dataclass
class Plan:
    """The result of planning.

    Attributes:
        items: nodes and groups in execution order.
        places: of every value that is computed or given.
        storages: all of them; `allocation` gives those of the workspace their places.
        copies: `(state index, value)` pairs to copy at the end of a call.
        arenas: for each group and each of its leaves the storages that lie one behind the other.
        fills: whether the results go into memory that is given, rather than being returned.
        inner: for each conditional and loop its sub-graphs and their plans; scratch: the blocks that they work in.
        flags: for each loop with a condition where that is put.
        bodies: for each `blocks` node the plan of one block, in memory of which `scratch` has one part a thread.
    """

    items: list[Item]
    places: dict[Value, Place] = field(default_factory=dict)
    storages: list[Storage] = field(default_factory=list)
    copies: list[tuple[int, Value]] = field(default_factory=list)
    arenas: dict[int, list[list[Storage]]] = field(default_factory=dict)
    fills: bool = False
    inner: dict[Node, list[tuple[Graph, Plan]]] = field(default_factory=dict)
    scratch: dict[Node, Storage] = field(default_factory=dict)
    flags: dict[Node, Storage] = field(default_factory=dict)
    bodies: dict[Node, Plan] = field(default_factory=dict)


class Planner:
    """Plans the storage of one graph.

    Args:
        given: the memory of a body's inputs, outputs and state.
    """

    def __init__(self, graph: Graph, groups: list[Group], given: Given | None = None) -> None:
        self.graph = graph
        self.given = given
        self.plan = Plan(schedule(graph, groups), fills=given is not None)
        self.positions: dict[Value, int] = {}
        self.last: dict[Value, int] = {}
        self.reads: dict[Value, list[int]] = {}
        self.reserved: dict[Value, Storage] = {}
        self.samples: dict[Value, Any] = {}  # of memory that is given
        self.state_target: dict[Value, int] = {}
        self.outputs = set(graph.outputs)
        self._find_lifetimes()
        self._place_arguments()
        self._reserve_arenas()

    # -- liveness -------------------------------------------------------------------------------------------

    def _find_lifetimes(self) -> None:
        end = len(self.plan.items)
        for position, item in enumerate(self.plan.items):
            inputs, outputs = _reads_and_writes(item)
            for v in outputs:
                self.positions[v] = position
                self.last.setdefault(v, position)
            for v in inputs:
                self.last[v] = position
        for v in self.graph.outputs:
            self.last[v] = end
        for before, now in zip(self.graph.state_inputs, self.graph.state_outputs, strict=True):
            self.last[now] = end
            self.last.setdefault(before, 0)
        # A view keeps its source alive.
        for item in reversed(self.plan.items):
            if isinstance(item, Node):
                for v, source in _views(item):
                    if self.given is not None and v in self.outputs:
                        continue  # Copied to where the body's results go.
                    self.last[source] = max(self.last.get(source, 0), self.last[v])

    # -- what is given --------------------------------------------------------------------------------------

    def _storage(self, kind: str, aval: ShapedArray, **fields: Any) -> Storage:
        storage = Storage(kind, aval, **fields)
        self.plan.storages.append(storage)
        return storage

    def _put(self, value: Value, storage: Storage) -> Place:
        sample = self.samples.get(value)
        place = Place(storage, np.empty(value.aval.shape, value.aval.dtype) if sample is None else sample)
        self.plan.places[value] = place
        storage.last = max(storage.last, self.last.get(value, 0))
        return place

    def _place_arguments(self) -> None:
        def arguments(n: int, kind: str) -> list[Memory]:
            return [(kind, None)] * n

        graph, given = self.graph, self.given
        if given is None:
            given = Given(arguments(len(graph.inputs), INPUT), [], arguments(len(graph.state_inputs), STATE))
        for values, memories in ((graph.state_inputs, given.state), (graph.inputs, given.inputs)):
            for i, (v, (kind, sample)) in enumerate(zip(values, memories, strict=True)):
                self.samples[v] = sample
                self._put(v, self._storage(kind, v.aval, index=i))
        self.of_state = {self.plan.places[v].storage for v in graph.state_inputs}
        for v, (kind, sample) in zip(graph.outputs, given.outputs, strict=False):
            self.samples[v] = sample
            self.reserved[v] = self._storage(kind, v.aval)

    def place(self, value: Value) -> Place:
        """The place of an operand; constants get theirs when they are first asked for."""
        if isinstance(value, Constant) and value not in self.plan.places:
            self.samples[value] = value.array
            self._put(value, self._storage(CONSTANT, value.aval, array=value.array))
        return self.plan.places[value]

    def _reserve_arenas(self) -> None:
        """Leaves of a group that are computed before lie one behind the other."""
        for position, item in enumerate(self.plan.items):
            if not isinstance(item, Group):
                continue
            arenas = []
            for k in range(len(item.members[0].leaves)):
                kind = EXCHANGE if k in item.terms else WORK
                storages = []
                for member in item.members:
                    leaf = member.leaves[k]
                    if leaf in self.plan.places:  # state
                        storages.append(self.plan.places[leaf].storage)
                        continue
                    storage = self._storage(kind, leaf.aval, first=self.positions[leaf], last=position)
                    self.reserved[leaf] = storage
                    storages.append(storage)
                arenas.append(storages)
            self.plan.arenas[id(item)] = arenas

    # -- planning -------------------------------------------------------------------------------------------

    def run(self) -> Plan:
        graph = self.graph
        changes = graph.changes.items()
        for i, now in changes:
            self.state_target.setdefault(now, i)
        for position, item in enumerate(self.plan.items):
            if isinstance(item, Group):
                self._place_group(item, position)
            else:
                self._place_node(item, position)
        for i, now in changes:
            place = self.place(now)
            own = self.plan.places[graph.state_inputs[i]].storage
            if place.storage is not own or place.source is not None:
                self.plan.copies.append((i, now))
        return self.plan

    def _place_group(self, group: Group, position: int) -> None:
        for member in group.members:
            for number, i in member.states:
                value = member.nodes[number].outputs[0]
                old = self.graph.state_inputs[i]
                storage = self.plan.places[old].storage
                self._put(value, storage)

    def _place_node(self, node: Node, position: int) -> None:
        views = _views(node)
        if views and all(self._is_view(node, v, source) for v, source in views):
            for v, source in views:
                at = self.place(source)
                sample = at.sample if node.primitive.multiple_results else _view_sample(node, at.sample)
                self.plan.places[v] = Place(at.storage, sample, at, node)
                at.storage.last = max(at.storage.last, self.last[v])
            return
        for v in node.outputs:
            self._put(v, self._choose(node, v, position))

    def _is_view(self, node: Node, value: Value, source: Value) -> bool:
        """Whether the result can be the source's memory."""
        if value in self.reserved:
            return False
        sample = self.place(source).sample
        if node.primitive.multiple_results or sample.size == 0:
            return sample.size > 0
        return np.may_share_memory(_view_sample(node, sample), sample)

    def _choose(self, node: Node, value: Value, position: int) -> Storage:
        aval = value.aval
        if value in self.reserved:
            return self.reserved[value]
        if node.primitive.name in FILLING:
            return self._storage(WORK, aval, first=position)
        if node.primitive.multiple_results:
            return self._storage(LOCAL, aval, first=position)
        if value in self.outputs:
            return self._storage(FRESH, aval, first=position)
        if value in self.state_target:
            storage = self.plan.places[self.graph.state_inputs[self.state_target[value]]].storage
            if self._can_overwrite(storage, node, position):
                return storage
        for v in self._in_place(node):
            if self._can_take_over(v, value, node, position):
                return self.plan.places[v].storage
        return self._storage(WORK, aval, first=position)

    def _in_place(self, node: Node) -> Sequence[Value]:
        """The operands in place of which the node's result can be computed."""
        if node.primitive.name in CHANGING:
            return node.inputs[:1]
        return node.inputs if node.primitive.elementwise else ()

    def _can_take_over(self, v: Value, value: Value, node: Node, position: int) -> bool:
        """Whether an operand dies with the node and leaves a block, or the place of old state, for the result."""
        if isinstance(v, Constant) or v in self.reserved or v.aval != value.aval:
            return False
        place = self.plan.places[v]
        storage = place.storage
        return (
            (storage.kind == WORK or storage in self.of_state)
            and storage.last == position
            and place.source is None
            and storage.aval == value.aval
            and not self._read_otherwise(storage, v, node)
        )

    def _can_overwrite(self, storage: Storage, node: Node, position: int) -> bool:
        """Whether what is in the place of old state is not read after the node, nor by it other than in place."""
        if storage.last > position:
            return False
        if storage.last < position:
            return all(self.place(v).storage is not storage for v in node.inputs)
        return any(
            self.place(v).storage is storage
            and self.place(v).source is None
            and v.aval == storage.aval
            and not self._read_otherwise(storage, v, node)
            for v in self._in_place(node)
        )

    def _read_otherwise(self, storage: Storage, value: Value, node: Node) -> bool:
        """Whether the node reads the storage also by another view or shape than `value`'s own."""
        return any(
            v is not value and not isinstance(v, Constant) and self.plan.places[v].storage is storage
            for v in node.inputs
        )


def _reads_and_writes(item: Item) -> tuple[list[Value], list[Value]]:
    if isinstance(item, Node):
        return list(item.inputs), list(item.outputs)
    inside = item.nodes
    reads = [v for node in inside for v in node.inputs if v.node not in inside]
    return reads, [v for node in inside for v in node.outputs]


def _views(node: Node) -> list[tuple[Value, Value]]:
    """Pairs of a result and the operand whose memory it can be."""
    if node.primitive.name == "custom_vjp":
        return list(zip(node.outputs, node.inputs[-len(node.outputs) :], strict=True))
    if node.primitive.view:
        return [(node.outputs[0], node.inputs[0])]
    return []


def _view_sample(node: Node, sample: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return evaluate_node(node, [sample])[0]
