"""What the tests of teams have their ranks do. It is imported in ranks, and so needs NumPy alone."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from typing import Any

import numpy as np

from kerasflow_numpy.team.group import Area


class Unpicklable(Exception):
    """An exception that only this process can make."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")

    def __reduce__(self) -> Any:
        raise TypeError


def fail(kind: str) -> None:
    """End, or raise something."""
    if kind == "value":
        raise ValueError("no such value")
    if kind == "key":
        raise KeyError("no such key")
    if kind == "unpicklable":
        raise Unpicklable(1, 2)
    if kind == "end":
        sys.exit("end of the program")
    if kind == "exit":
        os._exit(3)
    if kind == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if kind == "crash":
        ctypes.string_at(0)


class Rank:
    """Does one thing with its group; what it was told is at the beginning of `memory`, if there is any."""

    def __init__(self, does: str = "nothing", **options: Any) -> None:
        self.does = does
        self.options = options
        self.memory: np.ndarray[Any, Any] | None = None

    def tell(self, place: tuple[int, int] | None, *_: Any, team: Any) -> None:
        if place is not None:
            number, offset = place
            self.memory = team.segment(number)[offset:]

    def __call__(self, group: Any) -> Any:
        return getattr(self, self.does)(group, **self.options)

    def nothing(self, group: Any) -> None:
        pass

    def barriers(self, group: Any, count: int = 1) -> None:
        for _ in range(count):
            group.barrier()

    def sleep(self, group: Any, seconds: float) -> None:
        time.sleep(seconds)

    def compute(self, group: Any, seconds: float) -> None:
        until = time.perf_counter() + seconds
        while time.perf_counter() < until:
            np.ones(100_000).sum()

    def fail(self, group: Any, kind: str, rank: int = 1, then: str = "barriers") -> None:
        if group.rank == rank:
            fail(kind)
        getattr(self, then)(group)

    def report(self, group: Any, expression: str) -> list[bytes]:
        """What an expression is on each rank."""
        return group.exchange(repr(eval(expression)).encode())

    def mark(self, group: Any) -> None:
        """Add its rank + 1 to the byte of its rank, where the memory is known."""
        if self.memory is not None:
            self.memory[group.rank] += group.rank + 1

    def meet(self, group: Any, rounds: int, zero_copy: bool = False) -> list[bytes]:
        """Add up and gather arrays of each rank; every rank's results as bytes."""
        assert self.memory is not None
        area = Area(self.memory)
        results = []
        for step in range(rounds):
            group.enter(area)
            random = np.random.default_rng([group.rank, step])
            arrays = [random.standard_normal(shape).astype(np.float32) for shape in [(), (3, 5), (1000,)]]
            outs = [np.empty_like(array) for array in arrays]
            group.all_reduce(arrays, outs)
            group.all_reduce(arrays[1:], arrays[1:])
            sizes = [rank + 2 for rank in range(group.size)]
            rows = np.full((4, sizes[group.rank], 3), group.rank, np.int16)
            joined = np.empty((4, sum(sizes), 3), np.int16)
            group.all_gather(rows, 1, sizes, joined)
            results += [*outs, *arrays[1:], joined]
        return group.exchange(b"".join(array.tobytes() for array in results))
