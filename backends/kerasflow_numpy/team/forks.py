"""What a forked process gets of shared memory: a copy, as of all other memory.

Otherwise two processes, each with what it takes for its own model, would write to one another's weights.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import threading
import weakref
from typing import Any

import numpy as np

_MAP_FIXED = 0x10  # on every system that forks

# What this process has mapped, and whether the contents matter to a forked one.
_mapped: weakref.WeakKeyDictionary[mmap.mmap, bool] = weakref.WeakKeyDictionary()
# While a thread forks: a pipe that is at its end when the forked process has its copies.
_copied: dict[int, tuple[int, int]] = {}


def copy_in_forks(mapped: mmap.mmap, contents: bool) -> None:
    """A process that is forked from this one gets memory of its own in place of this.

    Args:
        contents: whether it is a copy; else it is 0.
    """
    _mapped[mapped] = contents


def _before() -> None:
    if _mapped:
        _copied[threading.get_ident()] = os.pipe()


def _in_parent() -> None:
    """Change nothing before the forked process has its copies."""
    if pipe := _copied.pop(threading.get_ident(), None):
        end, other = pipe
        os.close(other)
        while os.read(end, 1):
            pass
        os.close(end)


def _in_child() -> None:
    for mapped, contents in list(_mapped.items()):
        _replace(mapped, contents)
    _mapped.clear()
    for pipe in _copied.values():
        for end in pipe:
            os.close(end)
    _copied.clear()


def _replace(mapped: mmap.mmap, contents: bool) -> None:
    """Put memory that only this process sees at a mapping's place."""
    data = np.frombuffer(mapped, np.uint8)
    kept = data.copy() if contents else None
    place: Any = ctypes.CDLL(None, use_errno=True).mmap
    place.restype = ctypes.c_void_p
    place.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
    address = data.__array_interface__["data"][0]
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _MAP_FIXED
    if place(address, len(mapped), mmap.PROT_READ | mmap.PROT_WRITE, flags, -1, 0) != address:
        raise OSError(ctypes.get_errno(), "a forked process gets no memory of its own")
    if kept is not None:
        data[:] = kept


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
