"""Where each block of memory lies: in a workspace, where values that are not alive at the same time share theirs; and
in what a rank shows the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kerasflow.graph import Graph, ShapedArray
from kerasflow.primitives.collective import MEETINGS
from kerasflow_numpy.plan.storage import EXCHANGE, WORK, Plan, Storage

ALIGNMENT = 64


def padded(nbytes: int) -> int:
    """As many bytes, and what lies between them and the next aligned place."""
    return -(-nbytes // ALIGNMENT) * ALIGNMENT


def allocate(plan: Plan) -> int:
    """Give each block of a planned workspace its offset.

    First fit, in the order in which blocks come to life.

    Returns:
        The bytes that are needed.
    """
    arenas = [arena for group in plan.arenas.values() for arena in group]
    arena_of = {id(s): arena for arena in arenas for s in arena if s.kind == WORK}
    blocks: list[tuple[int, int, int, list[Storage]]] = []  # first, last, bytes, storages
    seen: set[int] = set()
    for storage in plan.storages:
        if storage.kind != WORK or id(storage) in seen:
            continue
        members = arena_of.get(id(storage), [storage])
        seen.update(id(s) for s in members)
        nbytes = sum(s.aval.nbytes for s in members)
        blocks.append((min(s.first for s in members), max(s.last for s in members), nbytes, members))
    end = 0
    free: list[tuple[int, int]] = []  # offset, bytes
    live: list[tuple[int, int, int]] = []  # last, offset, bytes
    for first, last, nbytes, members in sorted(blocks, key=lambda b: b[0]):
        for entry in [e for e in live if e[0] < first]:
            live.remove(entry)
            free.append(entry[1:])
        free = _coalesce(free)
        need = padded(max(nbytes, 1))
        fitting = [hole for hole in free if hole[1] >= need]
        if fitting:
            hole = min(fitting, key=lambda h: h[1])
            free.remove(hole)
            if hole[1] > need:
                free.append((hole[0] + need, hole[1] - need))
            offset = hole[0]
        else:
            offset = end
            end += need
        live.append((last, offset, need))
        for storage in members:
            storage.offset = offset
            offset += storage.aval.nbytes
    for node, plans in plan.inner.items():
        for _, inner in plans:
            _move(inner, plan.scratch[node].offset)
    return end


def lay_open(plan: Plan) -> int:
    """Give each block that a rank shows the others its offset, an arena's one behind the other; the bytes of all."""
    end = 0
    for arena in (arena for group in plan.arenas.values() for arena in group if arena[0].kind == EXCHANGE):
        for storage in arena:
            storage.offset = end
            end += storage.aval.nbytes
        end = padded(end)
    return end


def places(avals: Sequence[ShapedArray]) -> tuple[list[int], int]:
    """Where arrays lie one behind the other, aligned; and the bytes of all."""
    starts, end = [], 0
    for aval in avals:
        starts.append(end)
        end += padded(aval.nbytes)
    return starts, end


def arrays_in(memory: Any, avals: Sequence[ShapedArray]) -> list[Any]:
    """Arrays of these types, one behind the other in memory."""
    starts, _ = places(avals)
    return [
        memory[start : start + aval.nbytes].view(aval.dtype).reshape(aval.shape)
        for start, aval in zip(starts, avals, strict=True)
    ]


def laid_out(graph: Graph, ranks: int) -> int:
    """The bytes in which all ranks lay out what they meet with, each array in a place of its own."""
    met = [node for node in graph.nodes if node.primitive.name in MEETINGS]
    most = [
        v.aval.nbytes * max(node.params.get("sizes", (1,))) // node.params.get("size", 1)
        for node in met
        for v in node.inputs
    ]
    return sum(ranks * padded(nbytes) for nbytes in most)


def _move(plan: Plan, start: int) -> None:
    """Let a workspace begin at an offset of another."""
    for storage in plan.storages:
        if storage.kind == WORK:
            storage.offset += start
    for plans in plan.inner.values():
        for _, inner in plans:
            _move(inner, start)


def _coalesce(free: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Neighbouring holes joined."""
    joined: list[tuple[int, int]] = []
    for offset, nbytes in sorted(free):
        if joined and joined[-1][0] + joined[-1][1] == offset:
            joined[-1] = (joined[-1][0], joined[-1][1] + nbytes)
        else:
            joined.append((offset, nbytes))
    return joined
