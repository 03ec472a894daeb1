"""Drafts: hidden folders beside a target in which it is written, each locked for as long as its process lives.

Their names say nothing of processes: in containers all of them may have the same number. They are short, too, so that
the target's may be as long as the file system allows.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

fcntl: Any = None  # Where a system has no such locks, what killed processes leave stays.
with contextlib.suppress(ImportError):
    fcntl = importlib.import_module("fcntl")

# What a draft's folder may hold of the target that is being replaced; it is moved back if there is no target.
PREVIOUS = "previous"


@contextlib.contextmanager
def draft_folder(target: Path) -> Iterator[Path]:
    """A new folder beside `target`, which is gone behind the block. What killed processes have left is removed before.

    Raises:
        OSError: it cannot be made.
    """
    mark = hashlib.sha256(os.fsencode(target.name)).hexdigest()[:12]
    for folder in target.parent.glob(f".{mark}-*.draft"):
        _remove_if_left(folder, target)
    folder, lock = _make(target, mark)
    try:
        yield folder
    finally:
        _remove(folder, target)
        if lock is not None:
            os.close(lock)


def _make(target: Path, mark: str) -> tuple[Path, int | None]:
    """A folder and its lock; None where the file system has no locks."""
    while True:
        folder = target.with_name(f".{mark}-{secrets.token_hex(4)}.draft")
        folder.mkdir()
        try:
            lock = _locked(folder)
        except (BlockingIOError, FileNotFoundError):  # Another process takes it for one that was left.
            continue
        if folder.exists():
            return folder, lock
        if lock is not None:
            os.close(lock)


def _locked(folder: Path) -> int | None:
    """Lock a folder; the lock goes with its process.

    Raises:
        BlockingIOError: another process has locked it.
    """
    if fcntl is None:
        return None
    # Of what lies beside a target only folders are opened: to open a pipe waits for who writes to it.
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as problem:
        os.close(lock)
        if isinstance(problem, BlockingIOError):
            raise
        return None
    return lock


def _remove_if_left(folder: Path, target: Path) -> None:
    with contextlib.suppress(OSError):
        lock = _locked(folder)
        if lock is not None:
            _remove(folder, target)
            os.close(lock)


def _remove(folder: Path, target: Path) -> None:
    previous = folder / PREVIOUS
    if previous.exists() and not target.exists():
        previous.replace(target)
    shutil.rmtree(folder, ignore_errors=True)
