"""Memory mappings that hold no descriptor: a program may have thousands of them, and descriptors are few.

`mmap.mmap` keeps a descriptor of its own for each (before Python 3.13, which can be told not to).
"""

from __future__ import annotations

import ctypes
import mmap
import os
from typing import Any

import numpy as np

_FIXED = 0x10  # on every system that forks
_PRIVATE_FIXED = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _FIXED


class Mapping:
    """A file's bytes in memory, shared with whoever maps them; an array made of it (`np.asarray`) keeps it.

    Raises:
        OSError: the system maps nothing.
    """

    def __init__(self, descriptor: int, nbytes: int) -> None:
        self.nbytes = nbytes
        self._address = _map(None, nbytes, mmap.MAP_SHARED, descriptor)
        self._unmap = _libc().munmap

    def __del__(self) -> None:
        address = self.__dict__.pop("_address", None)
        if address is not None:
            self._unmap(ctypes.c_void_p(address), ctypes.c_size_t(self.nbytes))

    @property
    def __array_interface__(self) -> dict[str, Any]:
        return {"version": 3, "typestr": "|u1", "shape": (self.nbytes,), "data": (self._address, False)}

    def make_private(self, contents: bool) -> None:
        """Put memory that only this process sees at its place: a copy, or zeros.

        Raises:
            OSError: the system gives none.
        """
        data = np.asarray(self)
        kept = data.copy() if contents else None
        _map(self._address, self.nbytes, _PRIVATE_FIXED, -1)
        if kept is not None:
            data[:] = kept


def _libc() -> Any:
    return ctypes.CDLL(None, use_errno=True)


def _map(address: int | None, nbytes: int, flags: int, descriptor: int) -> int:
    place = _libc().mmap
    place.restype = ctypes.c_void_p
    place.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
    found: int = place(address, nbytes, mmap.PROT_READ | mmap.PROT_WRITE, flags, descriptor, 0)
    if found == ctypes.c_void_p(-1).value:
        number = ctypes.get_errno()
        raise OSError(
            number,
            f"A process has no memory for {nbytes} bytes that it shares with others: {os.strerror(number)}. "
            "KERASFLOW_THREADS=1 keeps programs in one process.",
        )
    return found
