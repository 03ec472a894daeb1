"""This process as one of several that an MPI launcher has started: how it joins, what it prints, how it ends."""

from __future__ import annotations

import atexit
import io
import os
import pickle
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from typing import Any

from kerasflow.bridge.generators import random_state, set_random_state
from kerasflow.compiler import set_threads
from kerasflow.groups import ALONE, current_group, join
from kerasflow.groups.mpi import MPI

# What all ranks raise, or exit with, is shown once: the others leave rank 0 so many seconds to show it and to end them.
_AFTER_YOU = 0.5


@cache
def join_job() -> MPI:
    """Make this process a rank of the job that it was started in; it is asked once.

    The states of rank 0's random generators are the states of all, so that weights and the order of samples are equal.

    Raises:
        RankError: mpi4py is missing.
    """
    group = MPI()
    join(group)
    set_threads()
    set_random_state(pickle.loads(group.broadcast(pickle.dumps(random_state()))))
    if group.size > 1:
        _print_whole_lines()
        # (PyTensor, imported later, calls its own one. What it does not call notices that this rank is gone.)
        shown = sys.excepthook
        sys.excepthook = lambda kind, error, trace: _end_all(group, error, lambda: shown(kind, error, trace))
        atexit.register(group.end)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=partial(_leave, group, shown))
    return group


def _leave(group: MPI, shown: Callable[..., Any]) -> None:
    """A forked process is no rank: what it sent would be taken for its parent's, and its end is nobody else's."""
    join(ALONE)
    sys.excepthook = shown
    atexit.unregister(group.end)


def _print_whole_lines() -> None:
    """Where Python buffers nothing (`PYTHONUNBUFFERED`), parts of ranks' lines would get into each other."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.write_through:
            stream.reconfigure(line_buffering=True, write_through=False)


def _end_all(group: MPI, error: BaseException, show: Callable[[], Any]) -> None:
    """End all ranks because of an error on this one."""
    interrupted = isinstance(error, KeyboardInterrupt)

    def told() -> None:
        if not (group.rank and interrupted):
            print(f"Rank {group.rank} of {group.size} ends all:", file=sys.stderr)
            show()

    _end_with(group, 130 if interrupted else 1, told)


def _end_with(group: MPI, code: int, tell: Callable[[], Any]) -> None:
    """End all ranks with an exit code, when what they have printed is passed on."""
    try:
        if group.rank:
            time.sleep(_AFTER_YOU)
        tell()
    finally:
        group.abort(code)


@contextmanager
def ending_as_one() -> Iterator[None]:
    """If the block fails, or ends this process with an exit code that is not 0, all ranks end."""
    try:
        yield
    except BaseException as error:
        group = current_group()
        if isinstance(group, MPI) and group.size > 1:
            if not isinstance(error, SystemExit):
                _end_all(group, error, partial(traceback.print_exception, error))
            elif isinstance(error.code, int) and error.code:
                _end_with(group, error.code, lambda: None)
            elif error.code not in (None, 0):
                _end_with(group, 1, partial(print, error.code, file=sys.stderr))
        raise


def share_batches_out(silent: bool) -> None:
    """What a program would do with `keras.distribution` to train on all processes.

    Args:
        silent: whether those that are not rank 0 print errors only.
    """
    import keras

    keras.distribution.initialize()
    keras.distribution.set_distribution(keras.distribution.DataParallel())
    if silent and current_group().rank:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
        warnings.showwarning = lambda *_, **__: None
