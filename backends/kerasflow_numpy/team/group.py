"""The group of local ranks: they add up and gather in shared memory, with one meeting for each."""

from __future__ import annotations

import math
import socket
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from kerasflow_numpy.plan.allocation import padded
from kerasflow_numpy.team.sockets import Inbox

Array = np.ndarray[Any, Any]


def piece_bytes(parts: Iterable[Iterable[int]]) -> int:
    """How many bytes of an area one meeting takes; parts are aligned: no two ranks write to one line of a cache.

    Args:
        parts: for each rank the sizes in bytes of the arrays that it brings.
    """
    return sum(padded(nbytes) for part in parts for nbytes in part)


class Area:
    """An exchange area: shared memory of a program in which each of a step's meetings has a piece of its own.

    Args:
        memory: bytes that all ranks see, at a multiple of 64 bytes. They are kept as long as this object is.
    """

    def __init__(self, memory: Array) -> None:
        self.memory = memory
        # For each place at which a piece begins: where it ends, and for each rank its arrays there.
        self._pieces: dict[int, tuple[int, list[list[Array]]]] = {}

    def piece(
        self, start: int, shapes: Callable[[], Sequence[Sequence[tuple[tuple[int, ...], Any]]]]
    ) -> tuple[int, list[list[Array]]]:
        """A meeting's piece of the area: where it ends, and for each rank its arrays.

        Args:
            shapes: what says for each rank the shapes and dtypes of its arrays; asked the first time.

        Raises:
            ValueError: the area ends before.
        """
        known = self._pieces.get(start)
        if known is None:
            known = self._pieces[start] = self._lay_out(start, shapes())
        return known

    def _lay_out(
        self, start: int, shapes: Sequence[Sequence[tuple[tuple[int, ...], Any]]]
    ) -> tuple[int, list[list[Array]]]:
        sizes = [[math.prod(shape) * np.dtype(dtype).itemsize for shape, dtype in part] for part in shapes]
        stop = start + piece_bytes(sizes)
        if stop > self.memory.nbytes:
            raise ValueError(
                f"The exchange area has {self.memory.nbytes} bytes, but the meeting at byte {start} needs those up to "
                f"{stop}: make it as large as `piece_bytes` of all meetings of a step."
            )
        parts: list[list[Array]] = []
        for part in shapes:
            parts.append([])
            for shape, dtype in part:
                size = math.prod(shape) * np.dtype(dtype).itemsize
                parts[-1].append(self.memory[start : start + size].view(dtype).reshape(shape))
                start += piece_bytes([[size]])
        return stop, parts


class LocalGroup:
    """A rank's view of the local ranks (`kerasflow.groups.Group`).

    In each meeting a rank copies what it brings to its part of a piece of the area, waits once for the others, and
    then reads all parts. No piece is used twice in a step, and no step begins before all ranks have finished the last:
    so nothing is overwritten that another still reads.

    Args:
        outboxes: the sockets to the other ranks' inboxes. inbox: this one's.
        mail: sends a message to all, and returns everybody's in the order of the ranks.
    """

    def __init__(
        self,
        rank: int,
        size: int,
        outboxes: Sequence[socket.socket],
        inbox: Inbox,
        mail: Callable[[bytes], list[bytes]],
    ) -> None:
        self.rank = rank
        self.size = self.neighbours = size
        self.inbox = inbox
        self._tell = [end.send for end in outboxes]
        self._name = bytes([rank])
        self._mail = mail
        self._area = Area(np.empty(0, np.uint8))
        self._place = 0

    def enter(self, area: Area | Array) -> None:
        """A step begins, whose meetings are in that area.

        Args:
            area: the same memory on all ranks. An `Area` that the program keeps has its pieces laid out once; bytes
                are laid out anew in each step.
        """
        self._area = area if isinstance(area, Area) else Area(area)
        self._place = 0

    def barrier(self) -> None:
        """Wait until all ranks are here.

        Raises:
            RankError: on rank 0: one of the others has died. Or what another has raised.
        """
        with suppress(OSError):  # One has died: its word, which is waited for, will not come.
            for tell in self._tell:
                tell(self._name)
        self.inbox.wait()

    def all_reduce(self, arrays: Sequence[Array], outs: Sequence[Array]) -> None:
        """Fill `outs` with the sums of all ranks' arrays; the same bits on every rank.

        Args:
            arrays: of the same shapes and dtypes on every rank. One that is this rank's part of the area
                (`Area.piece`) is not copied.
            outs: none of them in the area, where others still read.
        """
        self._place, parts = self._area.piece(
            self._place, lambda: [[(array.shape, array.dtype) for array in arrays]] * self.size
        )
        for array, own in zip(arrays, parts[self.rank], strict=True):
            _bring(array, own)
        self.barrier()
        for out, first, *others in zip(outs, *parts, strict=True):
            total = first
            for other in others:
                total = np.add(total, other, out=out)
            if total is first:
                np.copyto(out, first)

    def all_gather(self, array: Array, axis: int, sizes: Sequence[int], out: Array) -> None:
        """Fill `out` with all ranks' arrays, joined along an axis in the order of the ranks.

        Args:
            array: this rank's; not copied if it is its part of the area (`Area.piece`).
            sizes: for each rank the length of its array along the axis.
        """
        axis %= array.ndim
        before, after = array.shape[:axis], array.shape[axis + 1 :]
        self._place, parts = self._area.piece(
            self._place, lambda: [[((*before, length, *after), array.dtype)] for length in sizes]
        )
        _bring(array, parts[self.rank][0])
        self.barrier()
        lead = (slice(None),) * axis
        start = 0
        for (part,), length in zip(parts, sizes, strict=True):
            np.copyto(out[(*lead, slice(start, start + length))], part)
            start += length

    def exchange(self, message: bytes) -> list[bytes]:
        """Every rank's message, in the order of the ranks."""
        return self._mail(message)

    def broadcast(self, message: bytes) -> bytes:
        """Rank 0's message."""
        return self._mail(message if self.rank == 0 else b"")[0]


def _bring(array: Array, own: Array) -> None:
    """Put an array into a rank's part, if it is not there already."""
    if not np.may_share_memory(array, own):
        np.copyto(own, array)
