"""What the first process knows of the others: their sockets, and what has become of them."""

from __future__ import annotations

import os
import pickle
import signal
import socket
import subprocess
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from kerasflow.errors import RankError
from kerasflow_numpy.team import sockets, start
from kerasflow_numpy.team.group import LocalGroup
from kerasflow_numpy.team.memory import Handle
from kerasflow_numpy.team.messages import Kind, unpacked_error
from kerasflow_numpy.team.sockets import Inbox

_PATIENCE = 1.0  # seconds within which the system says how a process has ended
_LONG = 10.0  # seconds within which it ends one that has been killed, however much memory that has


class Children:
    """The processes of ranks 1 to `size - 1`, which are started at once and not waited for.

    Attributes:
        group: rank 0's view of the ranks.

    Raises:
        RankError: no process can be started.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._processes: list[subprocess.Popen[bytes]] = []
        self._ends: list[socket.socket] = []  # all sockets of this side
        self._commands: list[socket.socket] = []
        self._mail: list[deque[bytes]] = [deque() for _ in range(1, size)]
        # Runs when this object goes, at the end of the program, or when `close` calls it: once.
        self.close: Callable[[], object] = weakref.finalize(self, _end, self._processes, self._ends)
        _all.add(self)
        try:
            self.group = self._start()
        except BaseException as error:
            self.close()
            if isinstance(error, OSError):
                raise RankError(
                    f"No process could be started for rank 1 of {size}: {error}. KERASFLOW_THREADS=1 keeps programs "
                    "in one process."
                ) from error
            raise

    def _start(self) -> LocalGroup:
        # The first process keeps every inbox open: so writing to that of a rank that has died is no error, and it is
        # this one that finds out who has.
        inboxes = [self._pair() for _ in range(self.size)]
        for reader, writer in inboxes:
            reader.setblocking(False)
            writer.setblocking(False)
        for rank in range(1, self.size):
            mine, theirs = sockets.pair()
            self._ends.append(mine)
            self._commands.append(mine)
            with theirs:
                theirs.setblocking(False)
                outboxes = {other: inboxes[other][1].fileno() for other in range(self.size) if other != rank}
                arguments = {
                    "rank": rank,
                    "size": self.size,
                    "parent": os.getpid(),
                    # Linux would end it with the thread that starts it; that of the program's beginning stays.
                    "guarded": threading.current_thread() is threading.main_thread(),
                    "commands": theirs.fileno(),
                    "inbox": inboxes[rank][0].fileno(),
                    "outboxes": outboxes,
                }
                given = [theirs.fileno(), inboxes[rank][0].fileno(), *outboxes.values()]
                self._processes.append(
                    start.launch(f"kerasflow: rank {rank} of {self.size}", given, arguments)
                )
        inbox = Inbox(inboxes[0][0], range(1, self.size), self._commands, self.check)
        return LocalGroup(0, self.size, [writer for _, writer in inboxes[1:]], inbox, self._exchange)

    def _pair(self) -> tuple[socket.socket, socket.socket]:
        pair = sockets.pair()
        self._ends += pair
        return pair

    @property
    def alive(self) -> bool:
        """Whether all processes run."""
        return bool(self._ends) and all(process.poll() is None for process in self._processes)

    def send(self, message: bytes) -> None:
        """Send bytes to all."""
        for end in self._commands:
            end.sendall(message)

    def send_memory(self, number: int, handle: Handle) -> None:
        """Tell all of a segment."""
        for end in self._commands:
            sockets.send_message(end, Kind.SEGMENT, number, pickle.dumps(handle.nbytes))
            socket.send_fds(end, [b"\0"], [handle.descriptor])

    def check(self) -> None:
        """Find out whether a rank has failed, from what they have sent.

        Raises:
            RankError: a process has died, or the team is closed. Or what an object has raised.
        """
        if not self._ends:
            raise RankError("This team of processes has ended: begin again with a new one.")
        reports: list[bytes] = []
        dead: list[int] = []
        for i, end in enumerate(self._commands):
            try:
                while sockets.ready([end], seconds=0):
                    kind, _, content = sockets.read_message(end)
                    (reports if kind == Kind.ERROR else self._mail[i]).append(content)
            except EOFError:
                dead.append(i)
        if reports:
            raise unpacked_error(reports[0])
        if dead:
            raise RankError(self._obituary(dead))

    def _obituary(self, dead: list[int]) -> str:
        """What to say of ranks that have died without a word."""
        until = time.monotonic() + _PATIENCE
        while (ended := next((i for i in dead if self._processes[i].poll() is not None), None)) is None:
            if time.monotonic() > until:
                break
            time.sleep(0.001)
        i = dead[0] if ended is None else ended
        process = self._processes[i]
        return (
            f"Rank {i + 1} of {self.size}, a process that this one had started (number {process.pid}), has died: "
            f"{_cause(process.returncode)}. What its program was changing is half changed; run again. If it happens "
            "again, KERASFLOW_THREADS=1 keeps programs in one process."
        )

    def _exchange(self, message: bytes) -> list[bytes]:
        everybodys = [message]
        for mail in self._mail:
            while not mail:
                sockets.ready(self._commands)
                self.check()
            everybodys.append(mail.popleft())
        try:
            for end in self._commands:
                sockets.send_message(end, Kind.MAIL, 0, pickle.dumps(everybodys))
        except OSError:  # One has died since.
            self.check()
            raise
        return everybodys

    def disown(self) -> None:
        """In a forked process: these are its parent's. Let go of everything, and end nothing."""
        self.close.detach()  # type: ignore[attr-defined]
        for process in self._processes:
            process.returncode = 0
        _let_go(self._processes, self._ends)


_all: weakref.WeakSet[Children] = weakref.WeakSet()


def _cause(returncode: int | None) -> str:
    if returncode is None:
        return "the system does not say how"
    if returncode >= 0:
        return f"exit code {returncode} (what it had to say is on the standard error output)"
    name = (
        signal.Signals(-returncode).name if -returncode in list(signal.Signals) else f"signal {-returncode}"
    )
    memory = (
        ", which is also what a system does to a process when memory runs out" if name == "SIGKILL" else ""
    )
    return f"{name}{memory}"


def _let_go(processes: list[subprocess.Popen[bytes]], ends: list[socket.socket]) -> None:
    for process in processes:
        if process.stdin:
            process.stdin.close()
    for end in ends:
        end.close()
    ends.clear()


def _end(processes: list[subprocess.Popen[bytes]], ends: list[socket.socket]) -> None:
    """End the processes. They keep nothing that would have to be put in order: memory goes with them."""
    for process in processes:
        process.kill()
    _let_go(processes, ends)
    for process in processes:
        with suppress(subprocess.TimeoutExpired):
            process.wait(_LONG)


def _after_fork() -> None:
    for children in list(_all):
        children.disown()
    _all.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
