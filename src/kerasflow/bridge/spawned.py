"""Processes that `multiprocessing` starts anew ("spawn", "forkserver") run on kerasflow too.

Such a process imports the program's main module, and with it Keras, before anything of the program can say so. What it
is told first of all are `multiprocessing`'s preparation data, a pickled dictionary; one more entry in it, which nobody
asks for, imports kerasflow while it is unpickled.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from multiprocessing import spawn
from typing import Any

_preparation_data: Callable[[str], dict[str, Any]] = spawn.get_preparation_data


class _Messenger:
    """Its pickle is the call `reach_new_processes()`: importing this module imports kerasflow."""

    def __reduce__(self) -> tuple[Callable[[], None], tuple[()]]:
        return reach_new_processes, ()


def _with_messenger(name: str) -> dict[str, Any]:
    return {**_preparation_data(name), "kerasflow": _Messenger()}


def reach_new_processes() -> None:
    """From now on the processes that this one starts, and those that they start, import kerasflow before all else."""
    spawn.get_preparation_data = _with_messenger
    if "forkserver" in multiprocessing.get_all_start_methods():
        # The server that they are forked from is told nothing, and later Pythons have it import the main module.
        multiprocessing.set_forkserver_preload([])
