"""Horizontal fusion: the same element-by-element update of many variables as one update of flat storage.

An optimizer applies one formula to each weight. Where the formula is the same,
the weights (and moments, and gradients) are laid out one after the other in flat
arrays, and each NumPy call works on all of them: ten calls, not ten for each weight.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

from kerasflow.graph import Constant, Graph, Node, Primitive, Value, users

# An update of fewer elements than this is not worth a flat block of its own.
MIN_ELEMENTS = 1 << 15

# The sum of all ranks' terms: in an update that ranks share out, what each computes for its share (`shares`).
ranks_sum = Primitive("ranks_sum", lambda x: x, lambda x: x, elementwise=True)

Operand = tuple[str, Any]  # ("leaf", i), ("node", i) or ("scalar", Value)


@dataclass
class Operation:
    """One element-by-element operation of a group; its result is node number `position in the list`."""

    node: Node
    operands: list[Operand]


@dataclass(eq=False)
class Member:
    """The update of one variable (with its moments): a connected piece of the graph."""

    nodes: list[Node]
    leaves: list[Value]
    states: list[tuple[int, int]]  # (node number, index among the graph's state)


@dataclass(eq=False)
class Group:
    """Members with the same formula.

    Attributes:
        operations: of the first member; the others' are the same.
        after: the index of the graph node behind which the group can run.
    """

    members: list[Member]
    operations: list[Operation]
    after: int

    @property
    def terms(self) -> set[int]:
        """The leaves of which each rank has a term of a sum."""
        summed = [operation for operation in self.operations if operation.node.primitive is ranks_sum]
        return {operand for operation in summed for _, operand in operation.operands}

    @property
    def size(self) -> int:
        return sum(member.leaves[0].aval.size for member in self.members)

    @property
    def nodes(self) -> set[Node]:
        return {node for member in self.members for node in member.nodes}


def before_rows(now: Value) -> Value:
    """Of new state into which rows are put last, what it is before: that is computed in the state's place, too."""
    node = now.node
    if node is None or node.primitive.name != "scatter" or node.params["mode"] != "set":
        return now
    return node.inputs[0]


def find_groups(graph: Graph, shared: bool = False) -> list[Group]:
    """The groups of updates that can be fused, in the order in which they can run.

    Args:
        shared: whether several ranks have the state in common that groups update, and each a copy of all else that
            changes: a group then reads none of that, for it is not laid out as the group needs it.
    """
    used_by = users(graph)
    index = {node: i for i, node in enumerate(graph.nodes)}
    results = set(graph.outputs)
    state_of: dict[Value, list[int]] = defaultdict(list)
    for i, now in graph.changes.items():
        state_of[before_rows(now)].append(i)
    components = _components(graph, used_by, results, state_of)
    by_formula: dict[Hashable, list[tuple[Member, list[Operation]]]] = defaultdict(list)
    for nodes in components:
        ordered = sorted(nodes, key=index.__getitem__)
        described = _describe(ordered, state_of, graph)
        if described is not None:
            key, member, operations = described
            by_formula[key].append((member, operations))
    groups = []
    taken = set(graph.inputs)  # A leaf can be in one flat array only, and an input is where it is.
    for entries in by_formula.values():
        chosen = []
        for member, operations in entries:
            if taken.isdisjoint(member.leaves):
                taken.update(member.leaves)
                chosen.append((member, operations))
        if not chosen or (len(chosen) == 1 and chosen[0][0].leaves[0].aval.size < MIN_ELEMENTS):
            continue
        chosen.sort(key=lambda entry: -entry[0].leaves[0].aval.size)
        members, operations = [member for member, _ in chosen], chosen[0][1]
        groups.append(Group(members, operations, _last_input(members, operations, index)))
    groups.sort(key=lambda g: g.after)
    while wrong := _out_of_order(graph, groups, used_by) or (shared and _reads_copies(graph, groups)):
        groups.remove(wrong)
    return groups


def _reads_copies(graph: Graph, groups: list[Group]) -> Group | None:
    """A group that reads state that changes, but in no group."""
    updated = {i for group in groups for member in group.members for _, i in member.states}
    copies = {graph.state_inputs[i] for i in graph.changes.keys() - updated}
    return next((g for g in groups if any(not copies.isdisjoint(m.leaves) for m in g.members)), None)


def schedule(graph: Graph, groups: list[Group]) -> list[Node | Group]:
    """The nodes in order, each group as soon as all that it needs is there."""
    grouped = {node for group in groups for node in group.nodes}
    waiting = list(reversed(groups))
    items: list[Node | Group] = []
    for i, node in enumerate([None, *graph.nodes], start=-1):
        if node is not None and node not in grouped:
            items.append(node)
        while waiting and waiting[-1].after <= i:
            items.append(waiting.pop())
    return items


def _components(
    graph: Graph, used_by: dict[Value, list[Node]], results: set[Value], state_of: dict[Value, list[int]]
) -> list[set[Node]]:
    """Connected pieces of element-by-element nodes that lead to new state of their own shape."""
    inside: dict[Node, set[Node]] = {}
    for value, states in state_of.items():
        if len(states) != 1 or value in results:
            continue
        shape = value.aval.shape
        if value.aval.size == 1 or value.node is None or not _is_local(value.node, shape):
            continue
        piece: set[Node] = set()
        pending = [value.node]
        while pending:
            node = pending.pop()
            if node in piece:
                continue
            piece.add(node)
            if node.primitive is ranks_sum:
                continue  # What it sums is computed before, by each rank.
            for v in node.inputs:
                if (
                    v.node is not None
                    and v.aval.shape == shape
                    and _is_local(v.node, shape)
                    and v not in results
                ):
                    pending.append(v.node)
        # A result that others read too is computed outside, unless it is new state; so is what it needs.
        changed = True
        while changed:
            changed = False
            for node in list(piece):
                result = node.outputs[0]
                if result not in state_of and any(user not in piece for user in used_by[result]):
                    piece.discard(node)
                    changed = True
        if value.node not in piece:
            continue
        for node in list(piece):
            if node in inside:
                piece |= inside[node]
        for node in piece:
            inside[node] = piece
    unique = {id(piece): piece for piece in inside.values()}
    return list(unique.values())


def _is_local(node: Node, shape: tuple[int, ...]) -> bool:
    """Whether a node works element by element on operands of one shape, and scalars."""
    return (
        node.primitive.elementwise
        and node.outputs[0].aval.shape == shape
        and all(v.aval.shape == shape or v.aval.size == 1 for v in node.inputs)
    )


def _scalar_key(value: Value) -> Hashable:
    return (value.aval, value.array.tobytes()) if isinstance(value, Constant) else value


def _describe(
    nodes: list[Node], state_of: dict[Value, list[int]], graph: Graph
) -> tuple[Hashable, Member, list[Operation]] | None:
    """A piece as a formula that can be compared, with its leaves in the order of their first use."""
    shape = nodes[0].outputs[0].aval.shape
    numbers = {node.outputs[0]: i for i, node in enumerate(nodes)}
    leaves: dict[Value, int] = {}
    operations: list[Operation] = []
    formula: list[Hashable] = []
    for node in nodes:
        operands: list[Operand] = []
        keys: list[Hashable] = []
        for v in node.inputs:
            if v in numbers:
                operands.append(("node", numbers[v]))
                keys.append(operands[-1])
            elif v.aval.shape == shape:
                if isinstance(v, Constant):
                    return None
                operands.append(("leaf", leaves.setdefault(v, len(leaves))))
                keys.append((*operands[-1], v.aval.dtype))
            else:
                operands.append(("scalar", v))
                keys.append(("scalar", _scalar_key(v)))
        operations.append(Operation(node, operands))
        try:
            params = tuple(sorted(node.params.items()))
            hash(params)
        except TypeError:
            return None
        formula.append((node.primitive.name, params, tuple(keys), node.outputs[0].aval.dtype))
    states = [
        (i, state_of[node.outputs[0]][0]) for i, node in enumerate(nodes) if node.outputs[0] in state_of
    ]
    roles = [(number, leaves.get(graph.state_inputs[i])) for number, i in states]
    if not leaves or any(role is None for _, role in roles):
        return None
    return (tuple(formula), tuple(roles)), Member(nodes, list(leaves), states), operations


def _last_input(members: list[Member], operations: list[Operation], index: dict[Node, int]) -> int:
    """The index of the last node that the group waits for."""
    values = [leaf for member in members for leaf in member.leaves]
    values += [
        operand for operation in operations for kind, operand in operation.operands if kind == "scalar"
    ]
    return max((index[v.node] for v in values if v.node is not None), default=-1)


def _out_of_order(graph: Graph, groups: list[Group], used_by: dict[Value, list[Node]]) -> Group | None:
    """A group that would run before what it needs, after what needs it, or before a reader of state that it writes."""
    time: dict[Node, int] = {}
    for i, item in enumerate(schedule(graph, groups)):
        for node in item.nodes if isinstance(item, Group) else (item,):
            time[node] = i
    results = set(graph.results)
    for group in groups:
        own = group.nodes
        now = time[group.members[0].nodes[0]]
        for node in own:
            if any(v.node is not None and v.node not in own and time[v.node] >= now for v in node.inputs):
                return group
            if any(user not in own and time[user] <= now for user in used_by.get(node.outputs[0], ())):
                return group
        for member in group.members:
            for _, i in member.states:
                for value in _with_views(graph.state_inputs[i], used_by):
                    late = any(user not in own and time[user] >= now for user in used_by.get(value, ()))
                    if late or value in results:
                        return group
    return None


def _with_views(value: Value, used_by: dict[Value, list[Node]]) -> list[Value]:
    """The value, and the values that can be views of it."""
    found = [value]
    for v in found:
        found.extend(out for user in used_by.get(v, ()) if user.primitive.view for out in user.outputs)
    return found
