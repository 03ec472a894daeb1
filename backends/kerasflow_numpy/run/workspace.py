"""Workspaces: the memory of a thread in which all its programs keep their results, one program after the other."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasflow_numpy.plan.allocation import ALIGNMENT

if TYPE_CHECKING:
    from kerasflow_numpy.run.binding import Context

Array = np.ndarray[Any, Any]


def aligned(nbytes: int) -> Array:
    """That many bytes, aligned."""
    raw = np.empty(nbytes + ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % ALIGNMENT
    return raw[start : start + nbytes]


class Workspace:
    """Memory that grows to what the largest program needs, and the programs' functions that are bound to it.

    Nothing outlives a program in it, so another may use it next. It goes when the last program that was bound to it
    does.

    Attributes:
        contexts: of each program that has run in it.
    """

    def __init__(self) -> None:
        self.contexts: weakref.WeakKeyDictionary[Any, Context] = weakref.WeakKeyDictionary()
        self._memory: weakref.ref[Array] | None = None

    def memory(self, nbytes: int) -> Array:
        """At least that many bytes, for a context. Functions that are bound to too few are to be bound anew."""
        memory = None if self._memory is None else self._memory()
        if memory is None or memory.nbytes < nbytes:
            # First gone, so that there are never both.
            memory = None
            self.contexts.clear()
            memory = aligned(nbytes)
            self._memory = weakref.ref(memory)
        return memory


class _Free(threading.local):
    """The workspaces of a thread in which no program runs: one, or more where a signal's handler ran a program."""

    def __init__(self) -> None:
        self.workspaces: list[Workspace] = []


_free = _Free()


@contextmanager
def workspace() -> Iterator[Workspace]:
    """This thread's workspace, for one program."""
    free = _free.workspaces
    taken = free.pop() if free else Workspace()
    try:
        yield taken
    finally:
        free.append(taken)
