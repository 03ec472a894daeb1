"""Sockets between ranks: how they are handed to a new process, waited for, read and written.

Signals and messages go through the system, not through flags in shared memory: so all that a rank has written before
it tells is there for whoever hears it, on every processor, and a rank that has to wait long sleeps.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import time
from collections.abc import Callable, Sequence

SPIN = 200e-6  # seconds for which a rank looks again and again before it sleeps: waking takes longer than looking
HEADER = struct.Struct("<BqQ")  # of a message: its kind, a number, how many bytes follow

yield_core: Callable[[], None] = getattr(os, "sched_yield", lambda: time.sleep(0))  # macOS has none


def pair() -> tuple[socket.socket, socket.socket]:
    """Two connected sockets."""
    one, other = socket.socketpair()
    return _above_standard(one), _above_standard(other)


def _above_standard(end: socket.socket) -> socket.socket:
    """The socket under a number that no standard stream of a new process takes, should this one have closed its own."""
    if end.fileno() > 2:
        return end
    import fcntl

    with end:
        return socket.socket(fileno=fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 3))


def taken(descriptor: int) -> socket.socket:
    """A socket that this process was started with; those that it starts do not get it."""
    end = socket.socket(fileno=descriptor)
    end.set_inheritable(False)
    return end


def ready(
    readers: Sequence[socket.socket], writers: Sequence[socket.socket] = (), seconds: float | None = None
) -> bool:
    """Sleep until one of these can be read or written or is at its end; False after that many seconds."""
    poll = select.poll()
    for end in readers:
        poll.register(end, select.POLLIN)
    for end in writers:
        poll.register(end, select.POLLOUT)
    return bool(poll.poll(None if seconds is None else seconds * 1000))


def write(end: socket.socket, data: bytes) -> None:
    """Send all of it, whether the socket blocks or not."""
    view = memoryview(data)
    while view:
        try:
            view = view[end.send(view) :]
        except BlockingIOError:
            ready((), [end])


def read(end: socket.socket, count: int) -> bytes:
    """That many bytes.

    Raises:
        EOFError: the other side has ended.
    """
    parts = []
    while count:
        try:
            part = end.recv(min(count, 1 << 20))
        except BlockingIOError:
            ready([end])
            continue
        except ConnectionError:
            part = b""
        if not part:
            raise EOFError
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def send_message(end: socket.socket, kind: int, number: int, content: bytes = b"") -> None:
    """Send a message."""
    write(end, HEADER.pack(kind, number, len(content)) + content)


def read_message(end: socket.socket) -> tuple[int, int, bytes]:
    """The next message: its kind, its number, its content."""
    kind, number, length = HEADER.unpack(read(end, HEADER.size))
    return kind, number, read(end, length)


def await_message(end: socket.socket) -> tuple[int, int, bytes]:
    """The next message on a socket that does not block; looked for shortly, then slept for."""
    until = time.perf_counter() + SPIN
    while True:
        try:
            start = end.recv(HEADER.size)
            break
        except BlockingIOError:
            if time.perf_counter() < until:
                yield_core()
            else:
                ready([end])
        except ConnectionError:
            raise EOFError from None
    if not start:
        raise EOFError
    kind, number, length = HEADER.unpack(start + read(end, HEADER.size - len(start)))
    return kind, number, read(end, length) if length else b""


class Inbox:
    """Where a rank hears that others have come: each byte is the rank of one that has.

    Args:
        reader: where the bytes are read; it does not block. others: the ranks that are waited for.
        watched: sockets on which it shows that one will never come. alarm: called then, to raise an error if so.
    """

    def __init__(
        self,
        reader: socket.socket,
        others: Sequence[int],
        watched: Sequence[socket.socket] = (),
        alarm: Callable[[], None] = lambda: None,
    ) -> None:
        self.reader = reader
        self.others = tuple(others)
        self.watched = tuple(watched)
        self.alarm = alarm
        # How often each has come since it was last waited for: one may be a meeting ahead, when others are not.
        self._heard = [0] * (max(others, default=0) + 1)

    def wait(self) -> None:
        """Wait until each of the others has come once more."""
        heard, recv = self._heard, self.reader.recv
        missing = len(self.others) if not any(heard) else sum(heard[rank] == 0 for rank in self.others)
        until = 0.0
        while missing:
            try:
                for rank in recv(256):
                    heard[rank] += 1
                    missing -= heard[rank] == 1
            except BlockingIOError:
                now = time.perf_counter()
                until = until or now + SPIN
                if now < until:
                    yield_core()
                else:
                    self._sleep()
        for rank in self.others:
            heard[rank] -= 1

    def _sleep(self) -> None:
        """Until there is something to hear; what the watched sockets show is looked at only if there is nothing."""
        ready([self.reader, *self.watched])
        if self.watched and not ready([self.reader], seconds=0):
            self.alarm()
