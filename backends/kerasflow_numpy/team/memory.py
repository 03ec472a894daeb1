"""Memory that processes share: never in `/dev/shm`, which has 64 MB in containers, and gone with its last process.

Where a file descriptor can be passed on, memory is a file without a name, so that nothing can be left behind however
a process ends. Windows gives memory a name instead, and frees it with its last handle.
"""

from __future__ import annotations

import mmap
import os
import secrets
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from kerasflow_numpy.team.forks import copy_in_forks

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


# The ways to a descriptor of new memory, best first; the first that the system has is taken.
KINDS: dict[str, tuple[Callable[[], int], bool]] = {
    "memfd": (_memfd, hasattr(os, "memfd_create")),
    "posix": (_posix, sys.platform == "darwin"),
    "file": (_file, os.name == "posix"),
}
kind: str | None = next((name for name, (_, here) in KINDS.items() if here), None)  # None: memory has names


@dataclass
class Handle:
    """What another process needs in order to see the memory: a descriptor, or else a name."""

    nbytes: int
    descriptor: int = -1
    name: str = ""

    def close(self) -> None:
        """Give the descriptor back; what is mapped stays."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


def create(nbytes: int, contents: bool = True) -> tuple[Handle, Array]:
    """New memory: what others see it by, and its bytes, which are 0.

    Args:
        contents: whether a forked process gets a copy of them; else its bytes are 0.

    Raises:
        OSError: the system gives none.
    """
    size = max(nbytes, 1)
    if kind is None:
        handle = Handle(size, name=f"kerasflow-{secrets.token_hex(16)}")
    else:
        handle = Handle(size, descriptor=KINDS[kind][0]())
        os.set_inheritable(handle.descriptor, False)
    try:
        if handle.descriptor >= 0:
            os.ftruncate(handle.descriptor, size)
        mapped = _map(handle)
        copy_in_forks(mapped, contents)
        return handle, np.frombuffer(mapped, np.uint8)[:nbytes]
    except BaseException:
        handle.close()
        raise


def attach(handle: Handle) -> Array:
    """The memory as bytes. It is unmapped when no view of them is left."""
    return np.frombuffer(_map(handle), np.uint8)


def _map(handle: Handle) -> mmap.mmap:
    if handle.descriptor >= 0:
        return mmap.mmap(handle.descriptor, handle.nbytes)
    return mmap.mmap(-1, handle.nbytes, tagname=handle.name)  # type: ignore[call-arg, unused-ignore]
