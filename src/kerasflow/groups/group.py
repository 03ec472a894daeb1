"""What a group is: ranks that run the same program, each on its own rows of a batch, and meet to add up and to gather.

In every meeting all ranks of a group take part, in the same order. Sums are made in the order of the ranks, so that
they do not depend on who comes first.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol

import numpy as np

Array = np.ndarray[Any, Any]


class Group(Protocol):
    """Ranks that meet.

    Attributes:
        rank: this one's number, from 0. size: how many there are.
        neighbours: how many of them share this one's processors, itself included.
    """

    rank: int
    size: int
    neighbours: int

    def all_reduce(self, arrays: Sequence[Array], outs: Sequence[Array]) -> None:
        """Fill `outs` with the sums of all ranks' arrays, in one meeting; the same bits on every rank.

        Args:
            arrays: of the same shapes and dtypes on every rank. outs: of these too; each may be its array.
        """

    def all_gather(self, array: Array, axis: int, sizes: Sequence[int], out: Array) -> None:
        """Fill `out` with all ranks' arrays, joined along an axis in the order of the ranks.

        Args:
            sizes: for each rank the length of its array along the axis.
        """

    def exchange(self, message: bytes) -> list[bytes]:
        """Every rank's message, in the order of the ranks."""

    def broadcast(self, message: bytes) -> bytes:
        """Rank 0's message."""

    def barrier(self) -> None:
        """Wait until all ranks are here."""


class Alone:
    """The group of one."""

    rank = 0
    size = 1
    neighbours = 1

    def all_reduce(self, arrays: Sequence[Array], outs: Sequence[Array]) -> None:
        for array, out in zip(arrays, outs, strict=True):
            if out is not array:
                np.copyto(out, array)

    def all_gather(self, array: Array, axis: int, sizes: Sequence[int], out: Array) -> None:
        np.copyto(out, array)

    def exchange(self, message: bytes) -> list[bytes]:
        return [message]

    def broadcast(self, message: bytes) -> bytes:
        return message

    def barrier(self) -> None:
        pass


ALONE = Alone()

_own: ContextVar[Group | None] = ContextVar("kerasflow_group", default=None)
_of_process: Group = ALONE


def current_group() -> Group:
    """The group that this thread's programs meet in: its own one, or the process's."""
    return _own.get() or _of_process


def join(group: Group) -> None:
    """From now on this process is a rank of that group."""
    global _of_process
    _of_process = group


@contextmanager
def in_group(group: Group) -> Iterator[None]:
    """In the block, this thread is a rank of that group."""
    token = _own.set(group)
    try:
        yield
    finally:
        _own.reset(token)


def is_worker() -> bool:
    """Whether multiprocessing or joblib has started this process: it is one of several, and nobody's rank."""
    process = sys.modules.get("multiprocessing.process")
    # By its name: what says who its parent is comes later than the import of the program's main module.
    return process is not None and process.current_process().name != "MainProcess"


def rows(count: int, size: int) -> tuple[int, ...]:
    """How many of `count` rows each of `size` ranks has: rank r those from `count * r // size` on."""
    return tuple(count * (r + 1) // size - count * r // size for r in range(size))


def offset(sizes: Sequence[int], rank: int) -> int:
    """Where a rank's part begins, if the parts have these sizes."""
    return sum(sizes[:rank])
