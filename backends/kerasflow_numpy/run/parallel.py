"""Work on several cores: large matrix products and fused updates in parts, each part on one thread.

BLAS has threads of its own, but they wait for each other by spinning: as soon
as another process wants one of the cores, a product takes ten times as long.
Here a product is cut into parts of fixed size, and whichever thread is free
takes the next one. Without company that is as fast; beside a busy process the
calling thread does most of the work itself, at the speed of one thread. The
parts are the same in both cases, and so are the bits.

While such a program runs BLAS itself is held to one thread.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

# Parts begin at multiples of this many rows or columns: whole vectors of the processor.
_STEP = 16


class _Job:
    """Calls of one function that several threads share out among themselves."""

    def __init__(self, function: Callable[..., None], parts: Sequence[tuple[Any, ...]]) -> None:
        self.function = function
        self.parts = parts
        self.next = itertools.count().__next__  # one number to each caller: atomic in CPython
        self.finished: SimpleQueue[BaseException | None] = SimpleQueue()

    def work(self) -> None:
        """Do parts until none is left."""
        while (i := self.next()) < len(self.parts):
            try:
                self.function(*self.parts[i])
            except BaseException as error:
                self.finished.put(error)
            else:
                self.finished.put(None)


_jobs: SimpleQueue[_Job] = SimpleQueue()
_workers: list[threading.Thread] = []
_starting = threading.Lock()


def _serve(jobs: SimpleQueue[_Job]) -> None:
    np.seterr(all="ignore")  # as the calling thread has it during a program
    while True:
        jobs.get().work()


def _start(count: int) -> None:
    """Have at least this many workers."""
    with _starting:
        while len(_workers) < count:
            worker = threading.Thread(target=_serve, args=(_jobs,), name="kerasflow", daemon=True)
            worker.start()
            _workers.append(worker)


def _after_fork() -> None:
    """A forked process has none of its parent's threads."""
    global _jobs, _starting
    _jobs, _starting = SimpleQueue(), threading.Lock()
    _workers.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def each(function: Callable[..., None], parts: Sequence[tuple[Any, ...]]) -> None:
    """Call the function with each of the parts, on as many threads as there are parts."""
    if len(parts) == 1:
        function(*parts[0])
        return
    if len(_workers) < len(parts) - 1:
        _start(len(parts) - 1)
    job = _Job(function, parts)
    for _ in range(len(parts) - 1):
        _jobs.put(job)
    job.work()
    errors = [job.finished.get() for _ in parts]
    for error in errors:
        if error is not None:
            raise error


def _bounds(n: int, parts: int) -> list[tuple[int, int]]:
    """A range of n in about equal parts that begin at whole steps."""
    size = -(-n // parts)
    size = -(-size // _STEP) * _STEP
    return [(start, min(start + size, n)) for start in range(0, n, size)]


def matmul(a: Array, b: Array, parts: int, out: Array) -> None:
    """`np.matmul(a, b, out=out)` in parts: of the batch, else of the columns or the rows of the result."""
    if out.ndim > 2:
        n = out.shape[0]
        pieces = [
            (_batch(a, out, i, j), _batch(b, out, i, j), out[i:j])
            for i, j in ((n * k // parts, n * (k + 1) // parts) for k in range(parts))
            if j > i
        ]
    elif out.shape[1] >= out.shape[0]:
        pieces = [(a, b[:, i:j], out[:, i:j]) for i, j in _bounds(out.shape[1], parts)]
    else:
        pieces = [(a[i:j], b, out[i:j]) for i, j in _bounds(out.shape[0], parts)]
    each(_multiply, pieces)


def _batch(x: Array, out: Array, start: int, stop: int) -> Array:
    """A part of an operand's first batch axis, if it has one that is not broadcast."""
    return x[start:stop] if x.ndim == out.ndim and x.shape[0] > 1 else x


def _multiply(a: Array, b: Array, out: Array) -> None:
    np.matmul(a, b, out=out)
