"""The memory of sub-graphs, which run in that of the function that they are part of: of conditionals, loops, blocks.

A body is planned like a program: a carry is its state, so that a step computes
the new one in place of the old one where nobody reads that any more; a stacked
result is memory that is given, one slice a step; everything else is its own
workspace, one block of the outer function's. `emit.control` writes the text.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from kerasflow.graph import Constant, Graph, Node, ShapedArray, Value
from kerasflow.primitives import PRIMITIVES
from kerasflow_numpy.plan.allocation import allocate
from kerasflow_numpy.plan.cutting import cut
from kerasflow_numpy.plan.fusion import Group
from kerasflow_numpy.plan.storage import (
    FRESH,
    GIVEN,
    INPUT,
    PASSED,
    STATIC,
    WORK,
    Given,
    Memory,
    Place,
    Plan,
    Planner,
    Storage,
)

_FLAG = ShapedArray((), np.dtype(bool))


def plan_storage(graph: Graph, groups: list[Group], given: Given | None = None, threads: int = 1) -> Plan:
    """Decide in what memory every value of a graph, and of its sub-graphs, lives; `given` as in `Planner`.

    Args:
        threads: on how many of them blocks run.
    """
    planner = _Planner(graph, groups, given)
    planner.threads = threads
    return planner.run()


class _Planner(Planner):
    """Plans sub-graphs too."""

    threads = 1

    def _place_node(self, node: Node, position: int) -> None:
        if node.primitive.name not in _BODIES:
            super()._place_node(node, position)
            if node.primitive.name == "blocks":
                self._plan_blocks(node, position)
            return
        first = node.params.get("constants", 1)
        carried = carries(node)
        taken: set[Storage] = set()
        for i, v in enumerate(node.outputs):
            if node.primitive.name == "switch":
                may_be = [x for x in node.inputs[first:] if x.aval == v.aval]
            else:
                may_be = [node.inputs[first + i]] if i < carried else []
            storage = self._storage_of_result(node, v, position, may_be, taken)
            taken.add(storage)
            self._put(v, storage)
        bodies = _BODIES[node.primitive.name](self, node)
        self.plan.inner[node] = [(graph, plan_storage(graph, [], given)) for graph, given in bodies]
        self.plan.scratch[node] = self._scratch(
            max(allocate(plan) for _, plan in self.plan.inner[node]), position
        )
        if node.primitive.name == "while_loop":
            self.plan.flags[node] = self._storage(WORK, _FLAG, first=position, last=position)

    def _scratch(self, nbytes: int, position: int) -> Storage:
        """Memory for what happens at one position of the schedule."""
        return self._storage(WORK, ShapedArray((nbytes,), np.dtype(np.uint8)), first=position, last=position)

    def _plan_blocks(self, node: Node, position: int) -> None:
        """Plan one block: what stays at fixed places is cut once, what does not at each call."""
        count, cuts, joins = (node.params[key] for key in ("count", "cuts", "joins"))
        samples: list[Memory] = []
        for v, axis in zip(node.inputs, cuts, strict=True):
            place = self.place(v)
            static = place.storage.kind in STATIC
            samples.append((GIVEN, cut(place.sample, axis, 0, count)) if static else (INPUT, None))
        results = [
            (GIVEN, cut(self.place(v).sample, -1 if axis is None else axis, 0, count))
            for v, axis in zip(node.outputs, joins, strict=True)
        ]
        plan = self.plan.bodies[node] = plan_storage(node.params["body"], [], Given(samples, results))
        # Each thread has a part for its blocks.
        self.plan.scratch[node] = self._scratch(self.threads * allocate(plan), position)

    def _storage_of_result(
        self, node: Node, value: Value, position: int, may_be: Sequence[Value], taken: set[Storage]
    ) -> Storage:
        """Where a result lives; `may_be` are the operands that it may be computed in place of."""
        if value in self.reserved:
            return self.reserved[value]
        if value in self.state_target:
            storage = self.plan.places[self.graph.state_inputs[self.state_target[value]]].storage
            reads = [v for v in node.inputs if self.place(v).storage is storage]
            whole = all(v in may_be and self.place(v).source is None for v in reads)
            if storage.last <= position and whole and len(reads) < 2 and storage not in taken:
                return storage
        if value in self.outputs:
            return self._storage(FRESH, value.aval, first=position)
        for v in may_be:
            if node.inputs.count(v) > 1:
                continue  # Also a constant or another carry, which stays as it is while this one changes.
            if self._can_take_over(v, value, node, position) and self.place(v).storage not in taken:
                return self.place(v).storage
        return self._storage(WORK, value.aval, first=position)

    def memory(self, value: Value) -> Memory:
        """A value's memory, for a body."""
        place = self.place(value)
        return GIVEN if place.storage.kind in STATIC else PASSED, place.sample


def carries(node: Node) -> int:
    """How many results of a conditional or a loop are carries."""
    return len(node.outputs) if node.primitive.name == "while_loop" else node.params.get("carries", 0)


def paired(node: Node, places: dict[Value, Place]) -> dict[int, int]:
    """For a conditional, the operands that are the memory of a result: numbers of operands and of results."""
    pairs = {}
    for i, v in enumerate(node.outputs):
        for j, x in enumerate(node.inputs[1:]):
            if (
                not isinstance(x, Constant)
                and places[x].source is None
                and places[x].storage is places[v].storage
            ):
                pairs[j] = i
    return pairs


def _separate(graph: Graph) -> Graph:
    """The graph with each output a value of its own: not an input, nor a constant, nor another output."""
    copies: dict[Value, list[Node]] = {}
    outputs: list[Value] = []
    seen: set[Value] = set()
    for v in graph.outputs:
        if v in seen or v.node is None:
            node = Node(PRIMITIVES["identity"], [v], {}, [v.aval])
            copies.setdefault(v, []).append(node)
            outputs.append(node.outputs[0])
        else:
            outputs.append(v)
        seen.add(v)
    # As early as may be, so that a carry that is handed out can be overwritten.
    nodes = [copy for v, made in copies.items() if v.node is None for copy in made]
    for node in graph.nodes:
        nodes.append(node)
        nodes.extend(copy for v in node.outputs for copy in copies.get(v, ()))
    return replace(graph, nodes=nodes, outputs=outputs)


Body = tuple[Graph, Given]


def _scan_bodies(planner: _Planner, node: Node) -> list[Body]:
    body, c, n = (node.params[key] for key in ("body", "constants", "carries"))
    graph = Graph(
        [*body.inputs[:c], *body.inputs[c + n :]],
        body.nodes,
        body.outputs[n:],
        body.inputs[c : c + n],
        body.outputs[:n],
    )

    def step(value: Value) -> Memory:
        return PASSED, planner.place(value).sample[(0, ...)] if node.params["length"] else np.empty(())

    inputs = [*map(planner.memory, node.inputs[:c]), *map(step, node.inputs[c + n :])]
    state = list(map(planner.memory, node.outputs[:n]))
    return [(_separate(graph), Given(inputs, list(map(step, node.outputs[n:])), state))]


def _while_bodies(planner: _Planner, node: Node) -> list[Body]:
    cond, body, c = (node.params[key] for key in ("cond", "body", "constants"))
    constants = list(map(planner.memory, node.inputs[:c]))
    state = list(map(planner.memory, node.outputs))
    flag: Memory = (GIVEN, np.empty((), bool))
    graph = Graph(body.inputs[:c], body.nodes, [], body.inputs[c:], body.outputs)
    return [(_separate(cond), Given([*constants, *state], [flag])), (graph, Given(constants, [], state))]


def _switch_bodies(planner: _Planner, node: Node) -> list[Body]:
    pairs = paired(node, planner.plan.places)
    others = [j for j in range(len(node.inputs) - 1) if j not in pairs]
    given = [i for i in range(len(node.outputs)) if i not in pairs.values()]
    memory = Given(
        [planner.memory(node.inputs[1 + j]) for j in others],
        [planner.memory(node.outputs[i]) for i in given],
        [planner.memory(node.outputs[i]) for i in pairs.values()],
    )
    return [
        (
            _separate(
                Graph(
                    [b.inputs[j] for j in others],
                    b.nodes,
                    [b.outputs[i] for i in given],
                    [b.inputs[j] for j in pairs],
                    [b.outputs[i] for i in pairs.values()],
                )
            ),
            memory,
        )
        for b in node.params["branches"]
    ]


_BODIES: dict[str, Callable[[_Planner, Node], list[Body]]] = {
    "scan": _scan_bodies,
    "while_loop": _while_bodies,
    "switch": _switch_bodies,
}
