"""What sub-graphs take and give: nothing that is not used, nothing twice, nothing that is known outside.

A branch or a body loses the results that nobody reads, and then the carries and
operands that only those needed. A constant operand becomes a constant inside. A
carry that no step changes becomes an operand that stays.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kerasflow.graph import Constant, Graph, Node, Value, needed
from kerasflow.passes.rewrite import rebuild, uniform_value
from kerasflow.primitives.builder import Builder, value_key


def narrow_interfaces(graph: Graph) -> Graph:
    """The graph with conditionals and loops that take and give only what is used."""
    read = {v for node in graph.nodes for v in node.inputs}.union(graph.results)

    def visit(builder: Builder, node: Node, inputs: tuple[Value, ...]) -> Sequence[Value] | None:
        rule = _RULES.get(node.primitive.name)
        return rule(builder, node, inputs, [v in read for v in node.outputs]) if rule else None

    return rebuild(graph, visit)


def reads(graph: Graph, outputs: Sequence[Value]) -> set[Value]:
    """The values that these outputs need: of nodes and inputs, the outputs themselves included."""
    return {v for node in needed(graph.nodes, outputs) for v in node.inputs}.union(outputs)


def replaced(
    graph: Graph, inputs: Sequence[Value], outputs: Sequence[Value], env: dict[Value, Value]
) -> Graph:
    """The part of a graph that these outputs need, with other values for some of its inputs."""
    keep = needed(graph.nodes, outputs)
    env = dict(env)
    nodes = []
    for node in graph.nodes:
        if node in keep:
            new = tuple(env.get(v, v) for v in node.inputs)
            if new != node.inputs:
                old, avals = node, [v.aval for v in node.outputs]
                node = Node(old.primitive, new, old.params, avals, old.scope)
                env.update(zip(old.outputs, node.outputs, strict=True))
            nodes.append(node)
    return Graph(list(inputs), nodes, [env.get(v, v) for v in outputs])


class _Arguments:
    """Which of a sub-graph's inputs remain, and with which operands.

    Args:
        whole: the sub-graph takes the operands as they are; otherwise a slice of each.
    """

    def __init__(self, whole: bool = True) -> None:
        self.whole = whole
        self.inputs: list[Value] = []
        self.operands: list[Value] = []
        self.env: dict[Value, Value] = {}
        self._known: dict[Any, Value] = {}

    def add(self, value: Value, operand: Value) -> None:
        """An input for an operand: the same one for the same operand, none for a whole constant."""
        if self.whole and isinstance(operand, Constant):
            self.env[value] = operand
        elif value_key(operand) in self._known:
            self.env[value] = self._known[value_key(operand)]
        else:
            self._known[value_key(operand)] = value
            self.inputs.append(value)
            self.operands.append(operand)


# -- branches -----------------------------------------------------------------------------------------------


def _switch(
    builder: Builder, node: Node, inputs: tuple[Value, ...], used: Sequence[bool]
) -> Sequence[Value] | None:
    index, *operands = inputs
    branches: tuple[Graph, ...] = node.params["branches"]
    if isinstance(index, Constant):
        return _inlined(builder, branches[int(index.array)], operands)
    passed = {i: _passed_through(branches, i) for i, use in enumerate(used) if use}
    kept = [i for i, place in passed.items() if place is None]
    needs = [reads(b, [b.outputs[i] for i in kept]) for b in branches]
    # Where a branch reads what another does not, the input is there for both.
    arguments = [_Arguments() for _ in branches]
    for place, operand in enumerate(operands):
        if any(b.inputs[place] in need for b, need in zip(branches, needs, strict=True)):
            for b, own in zip(branches, arguments, strict=True):
                own.add(b.inputs[place], operand)
    graphs = tuple(
        replaced(b, own.inputs, [b.outputs[i] for i in kept], own.env)
        for b, own in zip(branches, arguments, strict=True)
    )
    found = builder.emit_all("switch", [index, *arguments[0].operands], {"branches": graphs})
    results = dict(zip(kept, found, strict=True))
    results.update((i, operands[place]) for i, place in passed.items() if place is not None)
    return [results.get(i, v) for i, v in enumerate(node.outputs)]


def _passed_through(branches: Sequence[Graph], i: int) -> int | None:
    """The place of the operand that is the i-th result of every branch."""
    places = {b.inputs.index(b.outputs[i]) if b.outputs[i] in b.inputs else None for b in branches}
    return places.pop() if len(places) == 1 else None


def _inlined(builder: Builder, graph: Graph, operands: Sequence[Value]) -> list[Value]:
    env = dict(zip(graph.inputs, operands, strict=True))
    for node in graph.nodes:
        found = builder.keep(node, tuple(env.get(v, v) for v in node.inputs))
        env.update(zip(node.outputs, found, strict=True))
    return [env.get(v, v) for v in graph.outputs]


# -- loops --------------------------------------------------------------------------------------------------


def _needed_carries(used: Sequence[bool], body: Graph, constants: int, always: set[Value]) -> list[int]:
    """The carries whose values count.

    Args:
        used: for each carry whether its last value is. always: what else is needed at each step.
    """
    kept = {i for i, use in enumerate(used) if use}
    while True:
        need = reads(body, [body.outputs[i] for i in kept]) | always
        more = {i for i in range(len(used)) if body.inputs[constants + i] in need} - kept
        if not more:
            return sorted(kept)
        kept |= more


def _while_loop(
    builder: Builder, node: Node, inputs: tuple[Value, ...], used: Sequence[bool]
) -> Sequence[Value]:
    cond, body, constants = node.params["cond"], node.params["body"], node.params["constants"]
    tested = reads(cond, cond.outputs)
    asked = {body.inputs[i] for i, v in enumerate(cond.inputs) if v in tested}
    carries = _needed_carries(used, body, constants, asked)
    outputs = [body.outputs[i] for i in carries]
    need = reads(body, outputs) | asked
    results: dict[int, Value] = {}
    own, test = _Arguments(), _Arguments()
    steady = [i for i in carries if body.outputs[i] is body.inputs[constants + i]]
    for place in [*range(constants), *(constants + i for i in steady)]:
        if body.inputs[place] in need:
            own.add(body.inputs[place], inputs[place])
            test.add(cond.inputs[place], inputs[place])
    results.update((i, inputs[constants + i]) for i in steady)
    moving = [i for i in carries if i not in steady]
    places = [constants + i for i in moving]
    params = {
        **node.params,
        "cond": replaced(cond, [*test.inputs, *(cond.inputs[p] for p in places)], cond.outputs, test.env),
        "body": replaced(
            body,
            [*own.inputs, *(body.inputs[p] for p in places)],
            [body.outputs[i] for i in moving],
            own.env,
        ),
        "constants": len(own.inputs),
    }
    found = builder.emit_all("while_loop", [*own.operands, *(inputs[p] for p in places)], params)
    results.update(zip(moving, found, strict=True))
    return [results.get(i, v) for i, v in enumerate(node.outputs)]


def _scan(builder: Builder, node: Node, inputs: tuple[Value, ...], used: Sequence[bool]) -> Sequence[Value]:
    body, constants, n = (node.params[k] for k in ("body", "constants", "carries"))
    results: dict[int, Value] = {}
    stacked = [i for i in range(n, len(used)) if used[i]]
    for i in list(stacked):
        whole = _known_outside(builder, node, inputs, i)
        if whole is not None:
            results[i] = whole
            stacked.remove(i)
    ends = [body.outputs[i] for i in stacked]
    carries = _needed_carries(used[:n], body, constants, reads(body, ends))
    need = reads(body, [*(body.outputs[i] for i in carries), *ends])
    own, slices = _Arguments(), _Arguments(whole=False)
    steady = [i for i in carries if body.outputs[i] is body.inputs[constants + i]]
    for place in [*range(constants), *(constants + i for i in steady)]:
        if body.inputs[place] in need:
            own.add(body.inputs[place], inputs[place])
    results.update((i, inputs[constants + i]) for i in steady)
    for place in range(constants + n, len(inputs)):
        if body.inputs[place] in need:
            same = _same_at_each_step(builder, inputs[place])
            (slices if same is None else own).add(body.inputs[place], inputs[place] if same is None else same)
    moving, doubles = _without_doubles(node, inputs, [i for i in carries if i not in steady], need)
    env = {**own.env, **slices.env}
    env.update((body.inputs[constants + i], body.inputs[constants + j]) for i, j in doubles.items())
    outputs = list(dict.fromkeys(ends))
    graph = replaced(
        body,
        [*own.inputs, *(body.inputs[constants + i] for i in moving), *slices.inputs],
        [*(body.outputs[i] for i in moving), *outputs],
        env,
    )
    if graph.outputs:
        params = {**node.params, "body": graph, "constants": len(own.inputs), "carries": len(moving)}
        operands = [*own.operands, *(inputs[constants + i] for i in moving), *slices.operands]
        found = builder.emit_all("scan", operands, params)
        results.update(zip(moving, found, strict=False))
        results.update((i, results[j]) for i, j in doubles.items())
        made = dict(zip(outputs, found[len(moving) :], strict=True))
        results.update((i, made[body.outputs[i]]) for i in stacked)
    return [results.get(i, v) for i, v in enumerate(node.outputs)]


def _known_outside(builder: Builder, node: Node, inputs: tuple[Value, ...], i: int) -> Value | None:
    """A stacked result that is a stacked operand, or the same at each step."""
    body, constants, n = (node.params[k] for k in ("body", "constants", "carries"))
    value, shape = body.outputs[i], node.outputs[i].aval.shape
    if isinstance(value, Constant):
        return builder.emit("broadcast_to", value, shape=shape)
    if value not in body.inputs:
        return None
    place = body.inputs.index(value)
    if place >= constants + n:
        return inputs[place]
    return builder.emit("broadcast_to", inputs[place], shape=shape) if place < constants else None


def _same_at_each_step(builder: Builder, operand: Value) -> Value | None:
    """The slice that every step gets of a stacked operand, if that is known to be one."""
    shape = operand.aval.shape[1:]
    number = uniform_value(operand) if isinstance(operand, Constant) else None
    if number is not None:
        return Constant(np.broadcast_to(np.asarray(number, operand.aval.dtype), shape))
    if operand.node is None or operand.node.primitive.name != "broadcast_to":
        return None
    (source,) = operand.node.inputs
    if source.aval.ndim > len(shape):
        if source.aval.shape[0] != 1:
            return None
        source = builder.emit("reshape", source, shape=source.aval.shape[1:])
    return source if source.aval.shape == shape else builder.emit("broadcast_to", source, shape=shape)


def _without_doubles(
    node: Node, inputs: tuple[Value, ...], carries: Sequence[int], need: set[Value]
) -> tuple[list[int], dict[int, int]]:
    """The carries without those that are another one: `(those that remain, {one left out: the other})`.

    Two carries that become the same are one if they begin as the same, or if nobody looks at what one of them was.
    """
    body, length, constants = (node.params[k] for k in ("body", "length", "constants"))
    kept: list[int] = []
    doubles: dict[int, int] = {}
    for i in sorted(carries, key=lambda i: body.inputs[constants + i] not in need):
        for j in kept:
            unread = length > 0 and body.inputs[constants + i] not in need
            begin = value_key(inputs[constants + i]) == value_key(inputs[constants + j])
            if body.outputs[i] is body.outputs[j] and (unread or begin):
                doubles[i] = j
                break
        else:
            kept.append(i)
    return kept, doubles


_RULES: dict[str, Callable[..., Sequence[Value] | None]] = {
    "switch": _switch,
    "while_loop": _while_loop,
    "scan": _scan,
}
