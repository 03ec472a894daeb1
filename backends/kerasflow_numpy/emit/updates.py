"""Fused updates: one loop over flat arrays updates many variables, on several threads or in shares, one a rank."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from kerasflow.graph import Graph, Node, ShapedArray, Value
from kerasflow_numpy.emit.call import Call
from kerasflow_numpy.emit.code import SHARE, Chunks
from kerasflow_numpy.emit.lowering import LOWERINGS
from kerasflow_numpy.emit.pieces import short
from kerasflow_numpy.emit.writer import Writer
from kerasflow_numpy.plan.fusion import Group, ranks_sum
from kerasflow_numpy.plan.storage import STATIC, WORK, Plan, Storage

# Elements of each array that one round of a fused update works on: bounds the memory for temporary arrays.
CHUNK = 1 << 20
# An update of fewer elements is not worth waking a thread for.
MIN_ELEMENTS = 1 << 16


def waits(graph: Graph, plan: Plan) -> set[int]:
    """The positions before which ranks wait for each other: of the first of several fused updates, for all must
    have read the state and laid out their terms; and of what reads behind them what others have updated.
    """
    items = plan.items
    updated = {v for item in items if isinstance(item, Group) for n in item.nodes for v in n.outputs}
    late = [*graph.outputs, *(value for _, value in plan.copies)]
    found, shared = set(), False
    for position, item in enumerate([*items, None]):
        if isinstance(item, Group):
            if position == 0 or not isinstance(items[position - 1], Group):
                found.add(position)
            shared = True
        elif shared and not updated.isdisjoint(late if item is None else item.inputs):
            found.add(position)
            shared = False
    return found


def emit(writer: Writer, group: Group, position: int) -> None:
    """Write a fused update: a loop over rounds of its arrays, on several threads, or over this rank's share."""
    arenas = writer.plan.arenas[id(group)]
    leaves = [writer.unique(short(storages)) for storages in arenas]
    member = group.members[0]
    # Of a leaf that is a term of a sum, every rank's.
    terms = {k: [writer.unique(f"{leaves[k]}{rank}") for rank in range(writer.ranks)] for k in group.terms}
    state_leaf = {number: member.leaves.index(writer.graph.state_inputs[i]) for number, i in member.states}
    last_read: dict[tuple[str, int], int] = {}
    for j, operation in enumerate(group.operations):
        for kind, operand in operation.operands:
            if kind != "scalar":
                last_read[kind, operand] = j
    free: dict[np.dtype[Any], list[str]] = {}
    parts = writer.threads if group.size >= MIN_ELEMENTS else 1
    length = max(min(CHUNK, -(-group.size // (parts * writer.ranks)) + SHARE * (writer.ranks > 1)), 1)
    scratch: list[tuple[str, Storage]] = []

    def temporary_array(dtype: np.dtype[Any]) -> str:
        storage = Storage(WORK, ShapedArray((parts, length), dtype), first=position, last=position)
        scratch.append((writer.unique(f"s{len(scratch)}"), storage))
        return scratch[-1][0]

    where: dict[tuple[str, int], str] = {("leaf", k): name for k, name in enumerate(leaves)}
    body: list[str] = []
    late: list[str] = []
    temporary: set[str] = set()
    for j, operation in enumerate(group.operations):
        node = operation.node
        dtype = node.outputs[0].aval.dtype
        args = []
        if node.primitive is ranks_sum:
            ((_, k),) = operation.operands
            where["node", j] = leaves[k]
            sums = [leaves[k]] * (writer.ranks - 1)
            if writer.ranks > 2:
                sums[:-1] = [temporary_array(dtype)] * (writer.ranks - 2)
            for first, second, total in zip([terms[k][0], *sums], terms[k][1:], sums, strict=False):
                body.append(f"np.add({first}, {second}, out={total})")
            continue
        for (kind, operand), value in zip(operation.operands, node.inputs, strict=True):
            args.append(_scalar(writer, value, node) if kind == "scalar" else where[kind, operand])
        # A temporary array that is read here for the last time can take the result.
        for kind, operand in dict.fromkeys(o for o in operation.operands if o[0] == "node"):
            name = where[kind, operand]
            if last_read[kind, operand] == j and name in temporary:
                temporary.discard(name)
                kept = group.operations[operand].node.outputs[0].aval.dtype
                free.setdefault(kept, []).append(name)
        out = None
        if j in state_leaf:
            k = state_leaf[j]
            if last_read.get(("leaf", k), -1) <= j:
                out = leaves[k]
            else:
                out = temporary_array(dtype)
                late.append(f"np.copyto({leaves[k]}, {out})")
        elif free.get(dtype):
            out = free[dtype].pop()
            temporary.add(out)
        else:
            out = temporary_array(dtype)
            temporary.add(out)
        where["node", j] = out
        call = Call(node, args, out, [a == out for a in args], writer.bind, lambda s, x: s + x)
        body.extend(LOWERINGS[node.primitive.name](call))
    if writer.poison:
        body[:0] = [f"kernels.poison({n})" for n, _ in scratch]
    name = writer.unique("chunks")
    others = [(n, arenas[k], rank) for k, names in terms.items() for rank, n in enumerate(names)]
    variables = [*leaves, *(n for n, _, _ in others), *(n for n, _ in scratch)]
    writer.plan.storages.extend(storage for _, storage in scratch)
    nbytes = sum(storage.aval.nbytes for _, storage in scratch)
    writer.code.chunks.append(
        Chunks(
            name,
            list(zip(leaves, arenas, strict=True)),
            scratch,
            group.size,
            parts,
            length,
            writer.ranks,
            others,
        )
    )
    writer.here = replace(
        writer.here, allocated=writer.here.allocated + nbytes, held=writer.here.held + nbytes
    )
    writer.begin_scope(member.nodes[-1].scope)
    shapes = ", ".join(str(m.leaves[0].aval) for m in group.members)
    targets = ", ".join(variables) + "," * (len(variables) == 1)
    note = f"{group.size} elements: {shapes}"
    loop = [f"    {line}" for line in body + late]
    if parts == 1:
        writer.emit(f"for {targets} in {name}:", note=note)
        writer.emit(*loop)
        return
    update, part = writer.unique("update"), writer.unique("part")
    writer.emit(f"def {update}({part}):", f"    for {targets} in {part}:", note=note)
    writer.emit(*(f"    {line}" for line in loop), f"parallel.each({update}, {name})")


def _scalar(writer: Writer, value: Value, node: Node) -> str:
    """An expression for a scalar beside flat arrays."""
    name = writer.operand(value, node)
    if value.aval.ndim == 0:
        return name
    place = writer.plan.places[value]
    return writer.derive(name, f"{name}.reshape(())", place.storage.kind in STATIC)
