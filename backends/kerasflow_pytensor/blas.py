"""Holding BLAS to one thread.

BLAS's own threads wait for each other by spinning: as soon as another process wants one of the cores, a small product
takes a hundred times as long (measured: an epoch of 0.3 s became 13 s).
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_holding = threading.Lock()
_held = 0
_threads: list[int] = []


def _after_fork() -> None:
    """In a forked process no program runs."""
    global _holding, _held
    _holding, _held = threading.Lock(), 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


@functools.cache
def _libraries() -> tuple[Any, ...]:
    """The controllers of the BLAS libraries in this process; none where they cannot be controlled."""
    from threadpoolctl import ThreadpoolController

    return tuple(lib for lib in ThreadpoolController().lib_controllers if lib.user_api == "blas")


def _set_threads(library: Any, number: int) -> None:
    """To threadpoolctl the first thread that sets a number is in charge until it says otherwise."""
    library.set_num_threads(number)
    if hasattr(library, "clear_controlling_thread"):
        library.clear_controlling_thread()


@contextmanager
def one_thread() -> Iterator[None]:
    """Hold BLAS to one thread while any program is in the block."""
    global _held
    with _holding:
        if _held == 0:
            _threads[:] = [library.num_threads for library in _libraries()]
            for library in _libraries():
                _set_threads(library, 1)
        _held += 1
    try:
        yield
    finally:
        with _holding:
            _held -= 1
            if _held == 0:
                for library, n in zip(_libraries(), _threads, strict=True):
                    _set_threads(library, n)
