"""BLAS's threads, for backends whose programs multiply matrices with the BLAS of this process.

BLAS's own threads wait for each other by spinning: as soon as another process wants one of the cores, a small product
takes a hundred times as long (measured: an epoch of 0.3 s became 13 s). So programs run with one, and cut large
products themselves. Programs of several backends may run at once: all of them are counted here.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

_lock = threading.Lock()
# For each library that is held how many programs hold it, and how many threads it had before.
_held: dict[str, tuple[int, int]] = {}


def _after_fork() -> None:
    """In a forked process no program runs."""
    global _lock
    _lock = threading.Lock()
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def libraries() -> tuple[Any, ...]:
    """The controllers of the BLAS libraries that are loaded now; none where they cannot be controlled."""
    from threadpoolctl import ThreadpoolController

    return tuple(lib for lib in ThreadpoolController().lib_controllers if lib.user_api == "blas")


@functools.cache
def numpys() -> tuple[Any, ...]:
    """Those that NumPy is linked to: its wheels bring one of their own, other builds share what is there."""
    found = libraries()
    return tuple(lib for lib in found if "numpy" in lib.filepath) or found


@functools.cache
def with_scipys() -> tuple[Any, ...]:
    """Those that NumPy and SciPy's linear algebra (imported for it) are linked to: SciPy's wheels bring another."""
    import scipy.linalg  # noqa: F401

    return tuple({library.filepath: library for library in (*numpys(), *libraries())}.values())


def _set_threads(library: Any, number: int) -> None:
    """How many threads a library uses, from any thread of this process.

    To threadpoolctl the first thread that sets a number is in charge until it says otherwise: what others set counts
    for nothing.
    """
    library.set_num_threads(number)
    if hasattr(library, "clear_controlling_thread"):
        library.clear_controlling_thread()


@contextmanager
def one_thread(libraries: Sequence[Any]) -> Iterator[None]:
    """Hold libraries to one thread while any program is in the block."""
    with _lock:
        for library in libraries:
            count, before = _held.get(library.filepath, (0, 0))
            if not count:
                before = library.num_threads
                _set_threads(library, 1)
            _held[library.filepath] = count + 1, before
    try:
        yield
    finally:
        with _lock:
            for library in libraries:
                count, before = _held.pop(library.filepath, (1, 1))
                if count > 1:
                    _held[library.filepath] = count - 1, before
                else:
                    _set_threads(library, before)
