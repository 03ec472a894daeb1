"""Ranks that are processes of an MPI job, on one machine or on many.

Arrays travel as bytes, straight from and into NumPy's memory; all arrays of one dtype in a message. Each rank adds up
for itself what the others sent (of many numbers, a part of them, which it then gives to all), so that sums do not
depend on the library, and half-precision numbers, which MPI does not know, are added up in single precision.

No rank waits in the library, where a signal would not be seen: it asks again and again whether a meeting is done. One
that has waited long tells the others for what. If they wait for something else, or have ended, all say so.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import pickle
import stat
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kerasflow.errors import RankError
from kerasflow.groups.group import Array, rows

# Up to so many bytes from all ranks together every rank gets all, and adds up all: one exchange instead of two.
SMALL = 1 << 18
# A rank that waits asks so many times without a pause, then lets others compute between two questions, then sleeps;
# after so many seconds it tells the others.
_EAGER, _POLITE, PATIENCE = 50, 2_000, 1.0
_NAP = 1e-4
# Seconds within which a launcher reads what has been printed, and then passes it on: what it has not is lost when it
# ends the ranks.
_READ, _PASSED_ON = 2.0, 0.2
# In front of what every rank gets from every rank: which meeting it is for. So long that numbers behind it are aligned.
_HEADER = 16

# What launchers tell a process: that it is one of several. (Hydra, PMIx, Open MPI, Slurm with either, MS-MPI)
_LAUNCHERS = ("PMI_RANK", "PMI_ID", "PMIX_RANK", "OMPI_COMM_WORLD_RANK")


def launched(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether an MPI launcher (`mpiexec`) has started this process."""
    return any(name in environment for name in _LAUNCHERS)


class MPI:
    """This process as a rank of an MPI job.

    Args:
        communicator: of mpi4py; by default of all processes of the job.

    Attributes:
        neighbours: how many ranks use the processors that this one uses, itself included.
        messages: in how many messages this rank has given something to the others. bytes: how much, each message once.

    Raises:
        RankError: mpi4py is missing, or finds no MPI library.
    """

    def __init__(self, communicator: Any = None) -> None:
        self._mpi = _library()
        world = communicator or self._mpi.COMM_WORLD
        # What steps do, what else is agreed on, and notes do not get into each other's way.
        self._arrays, self._talk, self._notes = world.Dup(), world.Dup(), world.Dup()
        self.rank: int = world.Get_rank()
        self.size: int = world.Get_size()
        self.messages = self.bytes = 0
        self._meetings = 0
        self._rooms: dict[str, Array] = {}
        self._told: list[Any] = []
        processors = repr((self._mpi.Get_processor_name(), _affinity())).encode()
        self.neighbours = self.exchange(processors).count(processors)

    # -- what a group does ----------------------------------------------------------------------------------

    def all_reduce(self, arrays: Sequence[Array], outs: Sequence[Array]) -> None:
        kinds: dict[Any, list[tuple[Array, Array]]] = {}
        for array, out in zip(arrays, outs, strict=True):
            kinds.setdefault(array.dtype, []).append((array, out))
        for dtype, pairs in kinds.items():
            count = sum(array.size for array, _ in pairs)
            if count:
                self._add_up(np.dtype(dtype), count, pairs)

    def all_gather(self, array: Array, axis: int, sizes: Sequence[int], out: Array) -> None:
        if not out.size:
            return
        counts = [out.size // sum(sizes) * n for n in sizes]
        direct = axis == 0 and out.flags.c_contiguous
        joined = out.reshape(-1) if direct else self._room("joined", out.size, out.dtype)
        self._join(np.ascontiguousarray(array).reshape(-1), counts, joined)
        if not direct:
            begin = place = 0
            for n, count in zip(sizes, counts, strict=True):
                part = joined[begin : begin + count].reshape((*out.shape[:axis], n, *out.shape[axis + 1 :]))
                out[(slice(None),) * axis + (slice(place, place + n),)] = part
                begin, place = begin + count, place + n

    def exchange(self, message: bytes) -> list[bytes]:
        lengths = np.empty(self.size, np.int64)
        own = np.array([len(message)])
        self._wait(self._talk.Iallgather(_raw(own), _raw(lengths)), "agree on something")
        counts = lengths.tolist()
        found = np.empty(sum(counts), np.uint8)
        sent = np.frombuffer(message, np.uint8)
        self._sent(len(message))
        self._wait(self._talk.Iallgatherv(_raw(sent), _raw(found, counts)), "agree on something")
        ends = np.cumsum(counts).tolist()
        return [found[end - n : end].tobytes() for end, n in zip(ends, counts, strict=True)]

    def broadcast(self, message: bytes) -> bytes:
        return self.exchange(message if self.rank == 0 else b"")[0]

    def barrier(self) -> None:
        self._wait(self._talk.Ibarrier(), "wait for all")

    # -- its end --------------------------------------------------------------------------------------------

    def end(self) -> None:
        """Tell the others that this rank comes to no more meetings."""
        self._tell("end", ended=True)

    def abort(self, code: int) -> None:
        """End the processes of all ranks, this one included, once what this one has printed is passed on."""
        _pass_on()
        self._mpi.COMM_WORLD.Abort(code)
        os._exit(code)  # The library may give itself time.

    # -- messages -------------------------------------------------------------------------------------------

    def _add_up(self, dtype: np.dtype[Any], count: int, pairs: Sequence[tuple[Array, Array]]) -> None:
        """The sums of all ranks' arrays of one dtype, in which there are `count` numbers."""
        arrays = [array for array, _ in pairs]
        only = pairs[0][1] if len(pairs) == 1 else None
        direct = only is not None and only.flags.c_contiguous
        total = only.reshape(-1) if only is not None and direct else self._room("total", count, dtype)
        what = f"add up {count} {dtype} numbers"
        if count * dtype.itemsize * self.size <= SMALL:
            _sum(self._from_all(dtype, count, arrays, what), total)
        else:
            counts = list(rows(count, self.size))
            part = counts[self.rank]
            own = self._packed(dtype, count, arrays)
            terms = self._room("terms", part * self.size, dtype)
            self._sent(own.nbytes - part * dtype.itemsize)
            self._wait(
                self._arrays.Ialltoallv(
                    _raw(own, [n * dtype.itemsize for n in counts]),
                    _raw(terms, [part * dtype.itemsize] * self.size),
                ),
                what,
            )
            share = self._room("share", part, dtype)
            _sum(terms.reshape(self.size, part), share)
            self._join(share, counts, total)
        if not direct:
            begin = 0
            for array, out in pairs:
                out[...] = total[begin : begin + array.size].reshape(out.shape)
                begin += array.size

    def _from_all(self, dtype: np.dtype[Any], count: int, arrays: Sequence[Array], what: str) -> Array:
        """All ranks' numbers, a row for each rank.

        Raises:
            RankError: a rank has sent them for something else.
        """
        length = _HEADER + count * dtype.itemsize
        own = self._room("own", length, np.dtype(np.uint8))
        header = np.frombuffer(hashlib.blake2b(what.encode(), digest_size=_HEADER).digest(), np.uint8)
        own[:_HEADER] = header
        _pack(arrays, own[_HEADER:].view(dtype))
        found = self._room("terms", length * self.size, np.dtype(np.uint8)).reshape(self.size, length)
        self._sent(length)
        self._wait(self._arrays.Iallgather(_raw(own), _raw(found.reshape(-1))), what)
        for rank in np.flatnonzero((found[:, :_HEADER] != header).any(axis=1)):
            raise RankError(
                f"Rank {rank} does something else while rank {self.rank} waits to {what}. {_REMEDY}"
            )
        return found[:, _HEADER:].view(dtype)

    def _packed(self, dtype: np.dtype[Any], count: int, arrays: Sequence[Array]) -> Array:
        """The numbers of all arrays, one behind the other."""
        if len(arrays) == 1 and arrays[0].flags.c_contiguous:
            return arrays[0].reshape(-1)
        own = self._room("own", count, dtype)
        _pack(arrays, own)
        return own

    def _join(self, own: Array, counts: Sequence[int], out: Array) -> None:
        """All ranks' numbers, of which each has `counts[rank]`, one behind the other; all flat and in one piece."""
        self._sent(own.nbytes)
        counts = [n * out.itemsize for n in counts]
        self._wait(
            self._arrays.Iallgatherv(_raw(own), _raw(out, counts)), f"join {out.size} {out.dtype} numbers"
        )

    def _room(self, name: str, count: int, dtype: np.dtype[Any]) -> Array:
        """Memory for numbers, kept from one meeting to the next."""
        room = self._rooms.get(name)
        if room is None or room.size < count * dtype.itemsize:
            room = self._rooms[name] = np.empty(count * dtype.itemsize, np.uint8)
        return room[: count * dtype.itemsize].view(dtype)

    def _sent(self, count: int) -> None:
        self.messages += 1
        self.bytes += count

    # -- waiting --------------------------------------------------------------------------------------------

    def _wait(self, request: Any, what: str) -> None:
        """Wait until a meeting is done.

        Args:
            what: what it is for, as the end of "to …".

        Raises:
            RankError: the others don't come to it.
        """
        self._meetings += 1
        tries = 0
        begun = told = 0.0
        try:
            while not request.Test():
                tries += 1
                if tries > _EAGER:
                    _yield() if tries < _POLITE else time.sleep(_NAP)
                if tries > _POLITE and not tries % 1000:
                    now = time.monotonic()
                    begun = begun or now
                    if not told and now - begun > PATIENCE:
                        told = now
                        self._tell(what)
                    if told:
                        self._read_notes(what)
        except self._mpi.Exception as problem:
            raise RankError(
                f"Rank {self.rank} of {self.size} came to {what}, and MPI says: {problem}. {_REMEDY}"
            ) from problem

    def _tell(self, what: str, ended: bool = False) -> None:
        note = pickle.dumps((self.rank, self._meetings, what, ended))
        for rank in set(range(self.size)) - {self.rank}:
            self._told.append((self._notes.Isend([note, self._mpi.BYTE], rank), note))

    def _read_notes(self, what: str) -> None:
        status = self._mpi.Status()
        while self._notes.Iprobe(status=status):
            note = bytearray(status.Get_count(self._mpi.BYTE))
            self._notes.Recv([note, self._mpi.BYTE], status.Get_source(), status.Get_tag())
            rank, meetings, other, ended = pickle.loads(note)
            if ended:
                raise RankError(
                    f"Rank {rank} has ended its program, while rank {self.rank} waits for it to {what}. {_REMEDY}"
                )
            if meetings >= self._meetings and other != what:
                raise RankError(
                    f"Rank {rank} waits for the others to {other}, while rank {self.rank} waits for them to {what}. "
                    f"{_REMEDY}"
                )


_REMEDY = (
    "All ranks have to call `fit`, `evaluate`, `predict`, `save` and `load` alike, on data of the same size: look for "
    "an `if` or a number of batches that depends on the process."
)


def _library() -> Any:
    """MPI, as mpi4py gives it; it is started now."""
    try:
        from mpi4py import MPI as library
    except (ImportError, RuntimeError) as problem:
        raise RankError(
            f"Training on several processes needs mpi4py and an MPI library, and {problem}. "
            'Install both with: pip install "kerasflow[mpi]"'
        ) from problem
    return library


def _let_others() -> None:
    time.sleep(0)


# Another process that waits for this processor goes first.
_yield = getattr(os, "sched_yield", _let_others)


def _affinity() -> Any:
    """The processors that this process may run on; None where a system does not say."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None


def _raw(array: Array, counts: Sequence[int] | None = None) -> list[Any]:
    """An array, flat and in one piece, as MPI takes it: its bytes, and for each rank how many of them."""
    array = array.view(np.uint8)
    kind = _library().BYTE
    return [array, kind] if counts is None else [array, counts, kind]


def _pack(arrays: Sequence[Array], out: Array) -> None:
    begin = 0
    for array in arrays:
        out[begin : begin + array.size].reshape(array.shape)[...] = array
        begin += array.size


def _sum(terms: Array, out: Array) -> None:
    """Add up the rows, in their order; half-precision numbers in single precision."""
    if terms.dtype.itemsize <= 2 and terms.dtype.kind in "fV":
        wide = np.empty(out.shape, np.float32)
        _sum_into(terms, wide)
        out[...] = wide.astype(out.dtype)
    else:
        _sum_into(terms, out)


def _sum_into(terms: Array, out: Array) -> None:
    np.copyto(out, terms[0])
    for term in terms[1:]:
        np.add(out, term.astype(out.dtype, copy=False), out=out)


def _pass_on() -> None:
    """Wait until the launcher has what this process has printed."""
    for stream in filter(None, (sys.stdout, sys.stderr)):
        with contextlib.suppress(OSError, ValueError):  # nobody reads it, or it has been closed
            stream.flush()
    end = time.monotonic() + _READ
    while time.monotonic() < end and any(map(_unread, (1, 2))):
        time.sleep(0.01)
    time.sleep(_PASSED_ON)


def _unread(descriptor: int) -> int:
    """How many bytes are in a pipe; 0 of what is none, and where that cannot be asked."""
    try:
        import fcntl
        import termios

        if not stat.S_ISFIFO(os.fstat(descriptor).st_mode):
            return 0
        return int.from_bytes(fcntl.ioctl(descriptor, termios.FIONREAD, bytes(4)), sys.byteorder)
    except (ImportError, OSError):
        return 0
