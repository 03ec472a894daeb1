"""What runs in a process that another rank has started: it does what it is told, until that one ends."""

from __future__ import annotations

import ctypes
import importlib
import os
import pickle
import signal
import socket
import sys
from contextlib import suppress
from typing import Any, NoReturn

import numpy as np

from kerasflow_numpy.team import memory, sockets
from kerasflow_numpy.team.group import LocalGroup
from kerasflow_numpy.team.messages import Kind, packed_error
from kerasflow_numpy.team.sockets import Inbox

Array = np.ndarray[Any, Any]

# What programs need; imported while the first process still traces its own.
_RUNTIME = ("kerasflow.primitives", "kerasflow_numpy.run.program")
_PR_SET_PDEATHSIG = 1


class Child:
    """The child's side of a team: its objects, and the memory that it shares.

    Attributes:
        group: this rank's view of the ranks.
    """

    def __init__(
        self,
        rank: int,
        size: int,
        commands: socket.socket,
        inbox: socket.socket,
        outboxes: dict[int, socket.socket],
    ) -> None:
        self._commands = commands
        others = [other for other in range(size) if other != rank]
        self.group = LocalGroup(
            rank, size, [outboxes[other] for other in others], Inbox(inbox, others), self._exchange
        )
        self._finished = outboxes[0].send
        self._name = bytes([rank])
        self._objects: dict[int, Any] = {}
        self._mapped: dict[int, Array] = {}
        self._acts = {
            Kind.LOAD: self._load,
            Kind.LOAD_SHARED: self._load_shared,
            Kind.TELL: self._tell,
            Kind.RUN: self._run,
            Kind.UNLOAD: self._unload,
            Kind.SEGMENT: self._segment,
            Kind.FORGET: self._forget,
        }

    def segment(self, number: int) -> Array:
        """The bytes of a segment of shared memory.

        Raises:
            KeyError: the segment is no more.
        """
        return self._mapped[number]

    def serve(self) -> NoReturn:
        """Do what comes, one after the other; ends when the first process closes its side, or with an error."""
        while True:
            kind, number, content = sockets.await_message(self._commands)
            self._acts[kind](number, content)  # type: ignore[index]

    def _run(self, key: int, content: bytes) -> None:
        self._objects[key](self.group)
        self._finished(self._name)

    def _load(self, key: int, content: bytes | memoryview) -> None:
        self._objects[key] = pickle.loads(content)

    def _load_shared(self, key: int, content: bytes) -> None:
        number, length = pickle.loads(content)
        self._load(key, self.segment(number)[:length].data)

    def _tell(self, key: int, content: bytes) -> None:
        self._objects[key].tell(*pickle.loads(content), team=self)

    def _unload(self, key: int, content: bytes) -> None:
        self._objects.pop(key, None)

    def _segment(self, number: int, content: bytes) -> None:
        sockets.ready([self._commands])
        _, (descriptor,), _, _ = socket.recv_fds(self._commands, 1, 1)
        self._mapped[number] = memory.attach(memory.Handle(pickle.loads(content), descriptor))

    def _forget(self, number: int, content: bytes) -> None:
        del self._mapped[number]

    def _exchange(self, message: bytes) -> list[bytes]:
        sockets.send_message(self._commands, Kind.MAIL, 0, message)
        _, _, content = sockets.await_message(self._commands)
        everybodys: list[bytes] = pickle.loads(content)
        return everybodys


def main(
    rank: int,
    size: int,
    parent: int,
    guarded: bool,
    commands: int,
    inbox: int,
    outboxes: dict[int, int],
) -> NoReturn:
    """Be a rank.

    Args:
        parent: the first process's number. guarded: whether the system may end this one with the thread that has
            started it.
        commands, inbox, outboxes: descriptors of sockets, the last by the rank whose inbox they lead to.
    """
    if guarded and sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(0)
    np.seterr(all="ignore")  # as rank 0 has it during a program
    channel = sockets.taken(commands)
    try:
        ends = {other: sockets.taken(outbox) for other, outbox in outboxes.items()}
        child = Child(rank, size, channel, sockets.taken(inbox), ends)
        for name in _RUNTIME:
            if not sockets.ready([channel], seconds=0):  # what there is to do comes first
                importlib.import_module(name)
        child.serve()
    except EOFError:
        os._exit(0)
    except BaseException as error:
        with suppress(OSError):  # Nobody is there any more to be told.
            sockets.send_message(channel, Kind.ERROR, rank, packed_error(error, rank))
    os._exit(1)
