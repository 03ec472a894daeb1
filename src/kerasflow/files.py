"""Writing files whole: what is checked before the work, and what is moved into place after it."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path

from kerasflow.errors import KerasflowError


def check_writable(path: Path, suffixes: Collection[str]) -> None:
    """Finds out, without leaving a trace, whether `path` can be written.

    Raises:
        KerasflowError: the suffix is none of `suffixes`, the folder is missing or cannot be written, or `path` is a
            folder.
    """
    if path.suffix.lower() not in suffixes:
        raise KerasflowError(f"the name has to end in {' or '.join(suffixes)}; received {str(path)!r}")
    if path.is_dir():
        raise KerasflowError(f"{path} is a folder; give the name of a file")
    if not path.parent.is_dir():
        raise KerasflowError(f"there is no folder {path.parent}; make it first")
    try:
        # Access rights alone don't tell: the file system may be full or read-only.
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as problem:
        raise KerasflowError(f"nothing can be written into {path.parent}: {problem.strerror}") from problem


@contextlib.contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Yields a name beside `path` to write to, and moves that file to `path` if all went well.

    Raises:
        KerasflowError: writing failed; `path` is as it was.
    """
    target = path.resolve()  # a link stays a link
    draft = target.with_name(f".{target.stem}.{os.getpid()}{target.suffix}")
    try:
        yield draft
        draft.replace(target)
    except OSError as problem:
        raise KerasflowError(f"{path} could not be written: {problem}") from problem
    finally:
        draft.unlink(missing_ok=True)


@contextlib.contextmanager
def folder_written_whole(path: Path, mark: str) -> Iterator[Path]:
    """Yields the name of a new folder beside `path` to write, and puts that in its place if all went well.

    Args:
        mark: a file that such folders have. One that is there is replaced, but for files of others.

    Raises:
        KerasflowError: `path` is a file, or a folder of something else, or writing failed; `path` is as it was.
    """
    target = path.resolve()
    if target.exists() and not target.is_dir():
        raise KerasflowError(f"{path} is a file; give the name of a folder")
    if target.is_dir() and any(target.iterdir()) and not (target / mark).exists():
        raise KerasflowError(
            f"the folder {path} holds something else (it has no {mark}); give the name of another one"
        )
    draft, before = (target.with_name(f".{target.name}.{os.getpid()}.{kind}") for kind in ("new", "old"))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield draft
        if target.exists():
            target.replace(before)
        draft.replace(target)
        for kept in before.iterdir() if before.exists() else ():
            if not (target / kept.name).exists():
                kept.replace(target / kept.name)
        shutil.rmtree(before, ignore_errors=True)
    except OSError as problem:
        if before.exists() and not target.exists():
            before.replace(target)
        raise KerasflowError(f"{path} could not be written: {problem}") from problem
    finally:
        shutil.rmtree(draft, ignore_errors=True)
