"""Programs for the ranks of a group: which group shares batches out, and programs that take their rank's rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from kerasflow.compiler.backend import Backend, Program
from kerasflow.errors import RankError
from kerasflow.graph import Graph, ShapedArray
from kerasflow.groups import Group, current_group, offset, rows
from kerasflow.passes.shard import Sharded, shard

_sharing: Group | None = None
_whole: Callable[[], bool] = lambda: True  # noqa: E731


def share_batches(group: Group | None, whole: Callable[[], bool] = lambda: True) -> None:
    """From now on the steps of models share each batch out among the ranks of a group; None: no longer.

    Every rank has to run the same steps on the same batches, in the same order.

    Args:
        whole: asked at each step: whether every rank is given whole batches; else each is given its own rows of them.
    """
    global _sharing, _whole
    _sharing, _whole = group, whole


def sharing() -> Group | None:
    """The group that shares batches out; None if there is none, or one rank."""
    return _sharing if _sharing is not None and current_group().size > 1 else None


def given_rows() -> bool:
    """Whether each rank is given its own rows of a batch that is shared out, and no more."""
    return sharing() is not None and not _whole()


def rows_of_all(group: Group, arrays: Iterable[np.ndarray[Any, Any]]) -> tuple[int, ...]:
    """For each rank how many rows it is given: as many as the first array has.

    Raises:
        RankError: a rank is given none.
    """
    own = next((len(x) for x in arrays if x.ndim), 0)
    counts = tuple(int.from_bytes(message) for message in group.exchange(own.to_bytes(8)))
    if min(counts) == 0:
        raise RankError(
            f"Ranks are given {', '.join(map(str, counts))} samples of a batch. With `auto_shard_dataset=False` each "
            "of them needs one at least."
        )
    return counts


def whole_batch(
    avals: Sequence[ShapedArray | None], counts: Sequence[int], rank: int
) -> list[ShapedArray | None]:
    """The types of a whole batch, of which a rank is given some rows."""
    return [
        ShapedArray((sum(counts), *aval.shape[1:]), aval.dtype)
        if aval is not None and aval.ndim and aval.shape[0] == counts[rank]
        else aval
        for aval in avals
    ]


class RankProgram:
    """A program for one rank of a group: called with whole batches, or its own rows, it computes on its rows.

    Args:
        whole: whether it is called with whole batches.

    Attributes:
        sharded: what is known of the cut.
    """

    def __init__(self, program: Program, sharded: Sharded, group: Group, whole: bool = True) -> None:
        self.program = program
        self.sharded = sharded
        self.group = group
        self.whole = whole
        begin = offset(sharded.rows, group.rank)
        self._own = slice(begin, begin + sharded.rows[group.rank])

    def __call__(self, state: Sequence[Any], inputs: Sequence[Any]) -> tuple[Sequence[Any], Sequence[Any]]:
        return self.program(state, self.own(inputs))

    def own(self, inputs: Sequence[Any]) -> list[Any]:
        """What the program takes of its inputs."""
        if not self.whole:
            return list(inputs)
        return [x[self._own] if split else x for x, split in zip(inputs, self.sharded.splits, strict=True)]

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.program, name)  # its source, and what else it may have
        return (lambda: self._measured(found())) if name == "measured" else found

    def _measured(self, run: Callable[..., Any]) -> Callable[..., Any]:
        return lambda state, inputs: run(state, self.own(inputs))


def locally(graph: Graph, backend: Backend, samples: int, alone: Graph | None = None) -> Program | None:
    """The program of an optimized graph for several processes of the backend's own; None if it wants no others.

    Args:
        alone: what one process would run.
    """
    wanted: int = backend.ranks(graph, alone) if hasattr(backend, "ranks") else 1
    if wanted == 1 or samples < wanted:
        return None
    counts = rows(samples, wanted)
    cut = {size: shard(graph, counts, size) for size in set(counts)}
    if None in cut.values():
        return None
    program: Program = backend.compile_ranks(graph, counts, cut)  # type: ignore[attr-defined]
    return program


def shared(
    graph: Graph, backend: Backend, group: Group, counts: tuple[int, ...], whole: bool, **options: Any
) -> Program | None:
    """The program of an optimized graph for this rank; None if there is nothing to share out.

    Args:
        counts: for each rank how many rows it computes. whole: whether each is given whole batches, and not these.
    """
    sharded = shard(graph, counts, counts[group.rank])
    if sharded is None:
        return None
    return RankProgram(backend.compile(sharded.graph, **options), sharded, group, whole)
