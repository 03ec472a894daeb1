"""Memory that processes share: never in `/dev/shm`, which has 64 MB in containers, and gone with its last process.

It is a file without a name, whose descriptor is passed on: so nothing can be left behind, however a process ends.
"""

from __future__ import annotations

import os
import secrets
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from kerasflow_numpy.team.forks import copy_in_forks
from kerasflow_numpy.team.mapping import Mapping

Array = np.ndarray[Any, Any]


def _memfd() -> int:
    return os.memfd_create("kerasflow", os.MFD_CLOEXEC)


def _posix() -> int:
    """POSIX's shared memory (macOS), whose name is taken away at once."""
    import _posixshmem  # type: ignore[import-not-found, unused-ignore]

    name = f"/kf{secrets.token_hex(8)}"
    descriptor: int = _posixshmem.shm_open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL, mode=0o600)
    _posixshmem.shm_unlink(name)
    return descriptor


def _file() -> int:
    """A temporary file without a name."""
    with tempfile.TemporaryFile(buffering=0) as file:
        return os.dup(file.fileno())


# The ways to a descriptor of new memory, and whether this system has them; the first that it has is taken.
KINDS: dict[str, tuple[Callable[[], int], bool]] = {
    "memfd": (_memfd, hasattr(os, "memfd_create")),
    "posix": (_posix, sys.platform == "darwin"),
    "file": (_file, True),
}
kind = next(name for name, (_, here) in KINDS.items() if here)


@dataclass
class Handle:
    """What another process needs in order to see the memory: its descriptor."""

    nbytes: int
    descriptor: int

    def close(self) -> None:
        """Give the descriptor back; what is mapped stays."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    __del__ = close


def create(nbytes: int, contents: bool = True) -> tuple[Handle, Array]:
    """New memory: what others see it by, and its bytes, which are 0.

    Args:
        contents: whether a forked process gets a copy of them; else its bytes are 0.

    Raises:
        OSError: the system gives none.
    """
    size = max(nbytes, 1)
    handle = Handle(size, KINDS[kind][0]())
    os.set_inheritable(handle.descriptor, False)
    os.ftruncate(handle.descriptor, size)
    mapping = Mapping(handle.descriptor, size)
    copy_in_forks(mapping, contents)
    return handle, np.asarray(mapping)[:nbytes]


def attach(handle: Handle) -> Array:
    """The memory as bytes. It is unmapped when no view of them is left."""
    return np.asarray(Mapping(handle.descriptor, handle.nbytes))
