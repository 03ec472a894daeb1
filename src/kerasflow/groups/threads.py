"""Ranks that are threads of one process: for interpreters without a lock, and for tests.

Sums and joins are made by each rank for itself, of what the others have laid out.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kerasflow.groups.group import Array, in_group


class _Table:
    """Where the threads of a group lay out what the others need."""

    def __init__(self, size: int) -> None:
        self.barrier = threading.Barrier(size)
        self.places: list[Any] = [None] * size


class Threads:
    """One thread's view of a group of threads."""

    def __init__(self, rank: int, size: int, table: _Table) -> None:
        self.rank = rank
        self.size = self.neighbours = size
        self._table = table

    def _laid_out(self, thing: Any, use: Callable[[list[Any]], Any]) -> Any:
        """What `use` makes of every rank's thing, while they all lie there."""
        self._table.places[self.rank] = thing
        self._table.barrier.wait()
        made = use(list(self._table.places))
        self._table.barrier.wait()
        return made

    def all_reduce(self, arrays: Sequence[Array], outs: Sequence[Array]) -> None:
        def added(parts: list[Sequence[Array]]) -> list[Array]:
            sums = []
            for terms in zip(*parts, strict=True):
                total = terms[0].copy()
                for term in terms[1:]:
                    np.add(total, term, out=total)
                sums.append(total)
            return sums

        for out, total in zip(outs, self._laid_out(arrays, added), strict=True):
            np.copyto(out, total)

    def all_gather(self, array: Array, axis: int, sizes: Sequence[int], out: Array) -> None:
        self._laid_out(array, lambda parts: np.concatenate(parts, axis, out=out))

    def exchange(self, message: bytes) -> list[bytes]:
        found: list[bytes] = self._laid_out(message, lambda messages: messages)
        return found

    def broadcast(self, message: bytes) -> bytes:
        return self.exchange(message)[0]

    def barrier(self) -> None:
        self._table.barrier.wait()


def run_in_threads(size: int, function: Callable[[Threads], Any]) -> list[Any]:
    """Call the function on each of `size` new threads, which are a group; what it returns on each.

    Raises:
        BaseException: what a rank raises; the others are then released from their meeting.
    """
    table = _Table(size)
    results: list[Any] = [None] * size
    errors: list[BaseException] = []

    def work(rank: int) -> None:
        group = Threads(rank, size, table)
        try:
            with in_group(group):
                results[rank] = function(group)
        except threading.BrokenBarrierError as broken:
            errors.append(broken)
        except BaseException as error:
            errors.insert(0, error)
            table.barrier.abort()

    threads = [threading.Thread(target=work, args=(rank,), daemon=True) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return results
