"""A team: this process and those that it has started, as one program's ranks."""

from __future__ import annotations

import itertools
import os
import pickle
import threading
import weakref
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from kerasflow_numpy.team import memory
from kerasflow_numpy.team.children import Children
from kerasflow_numpy.team.group import LocalGroup
from kerasflow_numpy.team.messages import Kind
from kerasflow_numpy.team.sockets import HEADER

Array = np.ndarray[Any, Any]
T = TypeVar("T")

_LARGE = 1 << 16  # bytes: what is larger goes through shared memory, since a child that is busy does not read


class Team:
    """Rank 0's side of a team. Objects are loaded into all children, and called in all of them at once.

    An object is whatever can be called with the child's group; `tell` calls its method `tell(*message, team=…)`, with
    the child's side (`child.Child`), which has `segment(number)` and `group`.

    Whoever calls `load`, `tell`, `begin` and `finish` holds `lock`, from `begin` to `finish` without a break, so that
    threads do not interleave. `share`, `number` and `unload` need no lock. An error ends the team, and so does
    whatever is raised between `begin` and `finish`; ask `team` for a new one.

    Args:
        size: how many ranks, this one among them. The children are started at once, and not waited for.

    Attributes:
        size: how many ranks. group: rank 0's view of them. lock: to be held by whoever uses the team.

    Raises:
        RankError: no process can be started.
    """

    def __init__(self, size: int) -> None:
        if not 1 <= size <= 255:
            raise ValueError(f"A team has 1 to 255 ranks; received {size}.")
        self.size = size
        self.lock = threading.Lock()
        self._process = os.getpid()
        self._children = Children(size)
        self.group: LocalGroup = self._children.group
        self._numbers = itertools.count(1)
        # For each segment: its address, its size, and what tells whether it still is.
        self._segments: dict[int, tuple[int, int, weakref.ref[Array]]] = {}
        # What the children are to be told before the next message: of segments and objects, as they come and go.
        self._news: deque[tuple[Kind, int, memory.Handle | None]] = deque()
        self._begun = False

    @property
    def alive(self) -> bool:
        """Whether all its processes run, none of them in a step that has been left, and this one has started them."""
        left = self._begun and not self.lock.locked()
        return not left and self._process == os.getpid() and self._children.alive

    def share(self, nbytes: int, contents: bool = True) -> Array:
        """New memory that all ranks can see, as bytes, which are 0.

        It is given back when the array and its views are gone; by the children with the next message.
        A process that is forked from this one has a copy in its place, which belongs to no team.

        Args:
            contents: whether they are copied then; else the forked process finds zeros.

        Raises:
            OSError: the system gives none.
        """
        handle, array = memory.create(nbytes, contents)
        number = next(self._numbers)
        root = array if array.base is None or not isinstance(array.base, np.ndarray) else array.base
        address = array.__array_interface__["data"][0]
        me = weakref.ref(self)

        def gone(_: object) -> None:
            if (team := me()) is not None:
                team._forget(number)

        self._news.append((Kind.SEGMENT, number, handle))
        self._segments[number] = address, handle.nbytes, weakref.ref(root, gone)
        return array

    def _forget(self, number: int) -> None:
        self._segments.pop(number, None)
        self._later(Kind.FORGET, number)

    def number(self, array: Array) -> tuple[int, int] | None:
        """Where an array lies: the number of its segment, and at which byte of it; None if it is in none."""
        address = array.__array_interface__["data"][0]
        if self._process != os.getpid():
            return None
        for number, (start, nbytes, _) in list(self._segments.items()):
            if start <= address < start + nbytes:
                return number, address - start
        return None

    def load(self, key: int, payload: bytes) -> None:
        """Have each child load an object; this one does not wait.

        Args:
            key: by which it is called. payload: its pickle.
        """
        if len(payload) > _LARGE:
            shared = self.share(len(payload), contents=False)
            shared[:] = np.frombuffer(payload, np.uint8)
            number = self.number(shared)
            assert number is not None
            self._send(Kind.LOAD_SHARED, key, pickle.dumps((number[0], len(payload))))
        else:
            self._send(Kind.LOAD, key, payload)

    def tell(self, key: int, *message: Any) -> None:
        """Have each child call its object's `tell(*message, team=…)`; this one does not wait."""
        self._send(Kind.TELL, key, pickle.dumps(message))

    def unload(self, key: int) -> None:
        """Have each child drop an object: now, or with the next message if the team is at work."""
        self._later(Kind.UNLOAD, key)

    def begin(self, key: int) -> None:
        """Have each child call its object with its group. To be followed by `finish`.

        Raises:
            RankError: a process has died. Or what an object has raised before.
        """
        if self._begun:
            self.close()
        self._send(Kind.RUN, key)
        self._begun = True

    def finish(self) -> None:
        """Wait until all children have done what `begin` began.

        Raises:
            RankError: a process has died. Or what its object has raised.
        """
        try:
            self.group.inbox.wait()
        except BaseException:
            self.close()
            raise
        self._begun = False

    def run(self, key: int, own: Callable[[LocalGroup], T]) -> T:
        """`begin`, this rank's own part, `finish`; whatever is raised meanwhile ends the team.

        Raises:
            RankError: a process has died. Or what an object, or this rank's part, has raised.
        """
        try:
            self.begin(key)
            result = own(self.group)
            self.finish()
        except BaseException:
            self.close()
            raise
        return result

    def close(self) -> None:
        """End the children."""
        self._children.close()
        while self._news:
            handle = self._news.popleft()[2]
            if handle is not None:
                handle.close()

    def _send(self, kind: Kind, number: int, content: bytes = b"") -> None:
        try:
            if self._news:
                self._tell_news()
            self._children.send(HEADER.pack(kind, number, len(content)) + content)
        except BaseException as error:
            try:
                if isinstance(error, OSError):
                    self._children.check()
                raise
            finally:
                self.close()

    def _tell_news(self) -> None:
        while self._news:
            kind, number, handle = self._news.popleft()
            if handle is None:
                self._children.send(HEADER.pack(kind, number, 0))
            else:
                try:
                    self._children.send_memory(number, handle)
                finally:
                    handle.close()

    def _later(self, kind: Kind, number: int) -> None:
        """Tell with the next message, or now if the team is idle. Called while anything may be under way."""
        self._news.append((kind, number, None))
        if self.alive and self.lock.acquire(blocking=False):
            try:
                self._tell_news()
            except OSError:
                pass  # the next message finds out
            except BaseException:
                self.close()  # Some may have been told and others not.
                raise
            finally:
                self.lock.release()


_teams: dict[int, Team] = {}
_starting = threading.Lock()


def team(size: int) -> Team:
    """This process's team of that size: started when it is first asked for, and anew if the last one has ended.

    Raises:
        RankError: no process can be started; `start.available` may say why.
    """
    with _starting:
        known = _teams.get(size)
        if known is None or not known.alive:
            if known is not None:
                known.close()
            known = _teams[size] = Team(size)
        return known


def is_running(size: int) -> bool:
    """Whether this process has a team of that size."""
    known = _teams.get(size)
    return known is not None and known.alive


def _after_fork() -> None:
    """A forked process has no team of its own yet."""
    global _starting
    _starting = threading.Lock()
    _teams.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
