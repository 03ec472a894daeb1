"""Mutable state: one cell for each Keras variable, and the rules by which programs and host code share it.

A program takes all its cells at once (`acquire`), runs, and gives them back
(`release`). Those that it changes it changes in place, alone: other programs and
host code wait until it is done. Those that it only reads it shares: a program
that wants to write meanwhile gets a copy, as it does where host code holds a
reference (copy on write).
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol

import numpy as np

from kerasflow.graph import ShapedArray, shaped


class Holder(Protocol):
    """The part of a backend that a cell needs."""

    def from_host(self, array: np.ndarray[Any, Any]) -> Any:
        """A new buffer of the backend's own with the array's contents."""

    def to_host(self, buffer: Any) -> np.ndarray[Any, Any]:
        """The contents as a NumPy array, which may share the buffer's memory."""

    # It may have `refill(buffer, array)`, if its buffers can be changed in place: that copies an array into one.


# Guards who uses which cell; one for all, since programs take many at once. Never held while a program runs.
_lock = threading.RLock()
_written = threading.Condition(_lock)

# How many programs each thread runs, and how many processes are being forked.
_running: Counter[int] = Counter()
_forking = 0
# Threads have their number and their process's: one that ran when this process was forked is none of its own.
_process = 0
_SHIFT = 64
# Bytes up to which contents are handed out as a copy, so that nobody holds the buffer.
COPIED = 4096
# Seconds that a fork waits for programs to end.
PATIENCE = 60.0


# What cells held that host code has assigned, where that may have to be undone.
_journal: ContextVar[dict[Cell, np.ndarray[Any, Any]] | None] = ContextVar("kerasflow_journal", default=None)


@contextmanager
def journal() -> Iterator[dict[Cell, np.ndarray[Any, Any]]]:
    """What the cells that host code assigns in the block held before it; an array each that cannot be changed."""
    outer = _journal.get()
    inner: dict[Cell, np.ndarray[Any, Any]] = {}
    try:
        _journal.set(inner)
        yield inner
    finally:
        _journal.set(outer)  # by value: an interrupt may come before a token is there
        if outer is not None:
            for cell, array in inner.items():
                outer.setdefault(cell, array)


def _this_thread() -> int:
    return threading.get_ident() + (_process << _SHIFT)


def _is_of_this_process(thread: int) -> bool:
    return thread >> _SHIFT == _process


class _Lent:
    """The memory of an array, handed out to be read; it lives as long as anybody has it, or a view of it.

    NumPy lets a view of a view keep what the first one is of: here this.
    """

    def __init__(self, array: np.ndarray[Any, Any]) -> None:
        self._array = array
        address = array.__array_interface__["data"][0]
        self.__array_interface__ = {**array.__array_interface__, "data": (address, True)}

    def view(self) -> np.ndarray[Any, Any]:
        """The array, read-only."""
        # The interface does not know the dtypes of extensions.
        return np.asarray(self).view(self._array.dtype)


class Cell:
    """A place for one array, held by the backend that used it last.

    Args:
        array: the first contents; taken over, not copied.
        name: a readable name, e.g. a Keras variable's path.
    """

    __slots__ = ("aval", "name", "_buffer", "_holder", "_lent", "_readers", "_writer", "__weakref__")

    def __init__(self, array: np.ndarray[Any, Any], name: str = "") -> None:
        self.aval: ShapedArray = shaped(array)
        self.name = name
        self._buffer: Any = array
        self._holder: Holder | None = None
        self._lent: weakref.ref[_Lent] | None = None  # The buffer, to host code.
        # The threads whose programs use the buffer. An interrupted thread that is still noted here blocks the
        # others at most, never itself.
        self._readers: set[int] = set()
        self._writer = 0

    def _host(self) -> np.ndarray[Any, Any]:
        return self._buffer if self._holder is None else self._holder.to_host(self._buffer)

    @property
    def _is_lent(self) -> bool:
        return self._lent is not None and self._lent() is not None

    def read(self) -> np.ndarray[Any, Any]:
        """The contents, a read-only array that stays as it is."""
        with _lock:
            _wait_for_writers((self,))
            host = self._host()
            if host.nbytes > COPIED:
                lent = None if self._lent is None else self._lent()
                if lent is None:
                    lent = _Lent(host)
                    self._lent = weakref.ref(lent)
                return lent.view()
            host = host.copy()
        host.flags.writeable = False
        return host

    def write(self, array: np.ndarray[Any, Any]) -> None:
        """Replace the contents by a host array of the same shape and dtype; taken over, or copied.

        Programs are bound to the buffers that they ran on last: where a backend can change a buffer that nobody else
        holds, that is done.
        """
        with _lock:
            _wait_for_writers((self,))
            assigned = _journal.get()
            if assigned is not None and self not in assigned:
                assigned[self] = self.read()
            refill = getattr(self._holder, "refill", None)
            if refill is not None and not (self._is_lent or self._readers or self._writer):
                refill(self._buffer, array)
            else:
                self._buffer, self._holder, self._lent = array, None, None

    def _acquire(self, backend: Holder, writes: bool, thread: int) -> Any:
        if self._readers and not self._readers <= {thread}:
            self._readers = set(filter(_is_of_this_process, self._readers))
        busy = writes and (self._is_lent or not self._readers <= {thread})
        if busy or self._holder is not backend:
            self._buffer, self._holder, self._lent = backend.from_host(self._host()), backend, None
        if writes:
            self._writer = thread
        else:
            self._readers.add(thread)
        return self._buffer

    def _release(self, before: Any, now: Any, thread: int) -> None:
        if self._buffer is before:  # else host code, or a program that wrote a copy, has replaced it
            self._buffer = now
        if self._writer == thread:
            self._writer = 0
        self._readers.discard(thread)

    def __getstate__(self) -> tuple[Any, str]:
        return np.array(self.read()), self.name

    def __setstate__(self, state: tuple[Any, str]) -> None:
        self.__init__(*state)  # type: ignore[misc]

    def __deepcopy__(self, memo: dict[int, Any]) -> Cell:
        return memo.setdefault(id(self), Cell(*self.__getstate__()))


def _wait_for_writers(cells: Sequence[Cell]) -> None:
    """Wait until no other thread's program changes one of the cells."""
    thread = _this_thread()
    for cell in cells:
        while cell._writer not in (0, thread) and _is_of_this_process(cell._writer):
            _written.wait()
            _wait_for_writers(cells)  # Meanwhile others may have been taken.


def acquire(cells: Sequence[Cell], writes: Sequence[bool], backend: Holder) -> list[Any]:
    """The contents of a program's cells as buffers of its backend, until `release`.

    Args:
        writes: for each cell whether the program changes it; those buffers are the program's alone.
    """
    thread = _this_thread()
    with _lock:
        _wait_for_writers(cells)
        _running[thread] += 1
        buffers: list[Any] = []
        try:
            for cell, writing in zip(cells, writes, strict=True):
                buffers.append(cell._acquire(backend, writing, thread))
        except BaseException:
            release(cells[: len(buffers)], buffers, buffers)
            raise
        return buffers


def release(cells: Sequence[Cell], before: Sequence[Any], now: Sequence[Any]) -> None:
    """Give the cells back.

    Args:
        before: the buffers that `acquire` gave. now: the buffers that hold the
            contents after the program; those from before if it failed.
    """
    thread = _this_thread()
    with _lock:
        written = False
        for cell, old, new in zip(cells, before, now, strict=True):
            written |= cell._writer == thread
            cell._release(old, new, thread)
        _running[thread] -= 1
        if not _running[thread]:
            del _running[thread]
        if written or _forking:
            _written.notify_all()


def _before_fork() -> None:
    """Wait until no other thread's program runs, and let none begin: the new process has the state between steps."""
    global _forking
    _lock.acquire()
    _forking += 1
    deadline = time.monotonic() + PATIENCE
    while _running.keys() - {_this_thread()} and (left := deadline - time.monotonic()) > 0:
        _written.wait(left)


def _after_fork_in_parent() -> None:
    global _forking
    _forking -= 1
    _lock.release()


def _after_fork_in_child() -> None:
    """The other threads are gone, and what is noted of them means nothing."""
    global _forking, _process, _written
    _forking, _process = 0, _process + 1
    _running.clear()
    _written = threading.Condition(_lock)
    _lock.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child
    )
