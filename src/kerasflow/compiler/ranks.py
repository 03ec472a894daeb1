"""Programs for the ranks of a group: which group shares batches out, and programs that take their rank's rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kerasflow.compiler.backend import Backend, Program
from kerasflow.graph import Graph
from kerasflow.groups import Group, current_group, offset, rows
from kerasflow.passes.shard import Sharded, shard

_sharing: Group | None = None


def share_batches(group: Group | None) -> None:
    """From now on the steps of models share each batch out among the ranks of a group; None: no longer.

    Every rank has to run the same steps on the same batches, in the same order.
    """
    global _sharing
    _sharing = group


def sharing() -> Group | None:
    """The group that shares batches out; None if there is none, or one rank."""
    return _sharing if _sharing is not None and current_group().size > 1 else None


class RankProgram:
    """A program for one rank of a group: called with whole batches, it computes on the rank's rows.

    Attributes:
        sharded: what is known of the cut.
    """

    def __init__(self, program: Program, sharded: Sharded, group: Group) -> None:
        self.program = program
        self.sharded = sharded
        self.group = group
        begin = offset(sharded.rows, group.rank)
        self._own = slice(begin, begin + sharded.rows[group.rank])

    def __call__(self, state: Sequence[Any], inputs: Sequence[Any]) -> tuple[Sequence[Any], Sequence[Any]]:
        return self.program(state, self.own(inputs))

    def own(self, inputs: Sequence[Any]) -> list[Any]:
        """What the program takes of whole inputs."""
        return [x[self._own] if split else x for x, split in zip(inputs, self.sharded.splits, strict=True)]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.program, name)  # its source, and what else it may have


def shared(graph: Graph, backend: Backend, group: Group, **options: Any) -> Program | None:
    """The program of an optimized graph for this rank; None if there is nothing to share out."""
    samples = next((v.aval.shape[0] for v in graph.inputs if v.aval.ndim), 0)
    counts = rows(samples, group.size)
    sharded = shard(graph, counts, counts[group.rank])
    if sharded is None:
        return None
    return RankProgram(backend.compile(sharded.graph, **options), sharded, group)
