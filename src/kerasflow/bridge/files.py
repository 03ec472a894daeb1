"""Writing files whole: what is checked before the work, and what is moved into place after it."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import zipfile
from collections.abc import Collection, Iterator
from pathlib import Path

from kerasflow.bridge.drafts import PREVIOUS, draft_folder
from kerasflow.errors import KerasflowError
from kerasflow.graph import printable

_BLOCK = 1 << 20
# What an archive may hold: so many bytes more than so many times what is stored. Keras and NumPy compress nothing.
_MORE, _TIMES = 1 << 26, 100


def check_writable(path: Path, suffixes: Collection[str]) -> None:
    """Finds out, without leaving a trace, whether `path` can be written.

    Raises:
        KerasflowError: the suffix is none of `suffixes`, the folder is missing or cannot be written, or `path` is a
            folder.
    """
    if path.suffix.lower() not in suffixes:
        raise KerasflowError(f"the name has to end in {' or '.join(suffixes)}; received {str(path)!r}")
    shown, folder = printable(str(path)), printable(str(path.parent))
    if path.is_dir():
        raise KerasflowError(f"{shown} is a folder; give the name of a file")
    if not path.parent.is_dir():
        raise KerasflowError(f"there is no folder {folder}; make it first")
    try:
        # Access rights alone don't tell: the file system may be full or read-only.
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as problem:
        raise KerasflowError(f"nothing can be written into {folder}: {problem.strerror}") from problem


def flaw_of_zip(path: Path) -> str:
    """Why a zip archive cannot be read from its beginning to its end, or should not; "" if it can."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            holds = sum(member.file_size for member in members)
            if holds > _MORE + _TIMES * path.stat().st_size:
                return f"it would have {holds} bytes when unpacked"
            for member in members:
                with archive.open(member) as opened:
                    while opened.read(_BLOCK):  # which compares the checksum
                        pass
    except PermissionError:
        raise
    except Exception as problem:  # of a dozen kinds
        return str(problem) or type(problem).__name__
    return ""


@contextlib.contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Yields a name to write to, and moves that file to `path` if all went well.

    Raises:
        KerasflowError: writing failed; `path` is as it was.
    """
    try:
        with drafted(path) as draft:
            yield draft
    except OSError as problem:
        raise KerasflowError(f"{printable(str(path))} could not be written: {problem}") from problem


@contextlib.contextmanager
def drafted(path: Path) -> Iterator[Path]:
    """Yields the same name in a folder beside `path`, and moves all that was written there to where `path` is.

    If the block fails, `path` is as it was, and the folder is gone. If the process is killed, the folder stays until
    `path` is written again. What cannot be replaced (a device, a pipe, a file that may not be written, anything
    in a folder where nothing may be made) is yielded itself.
    """
    target = path.resolve()  # a link stays a link
    may_be_replaced = not target.exists() or (target.is_file() and os.access(target, os.W_OK))
    if not may_be_replaced or not os.access(target.parent, os.W_OK | os.X_OK):
        yield path
        return
    with draft_folder(target) as folder:
        yield folder / path.name
        written = sorted(folder.iterdir(), key=lambda file: file.suffix == ".json")
        for file in written:
            _sync(file)
        for file in written:  # The map of a file in several parts comes last: what it names is there then.
            place = target if file.name == path.name else target.with_name(file.name)
            if place.exists():
                shutil.copymode(place, file)
            file.replace(place)


def _sync(file: Path) -> None:
    """Bring a file onto the disk, so that no crash of the machine leaves its name with nothing behind it."""
    with file.open("rb+") as opened:
        os.fsync(opened.fileno())


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
        raise KerasflowError(f"{printable(str(path))} is a file; give the name of a folder")
    if target.is_dir() and any(target.iterdir()) and not (target / mark).exists():
        raise KerasflowError(
            f"the folder {printable(str(path))} holds something else (it has no {mark}); give the name of another one"
        )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with draft_folder(target) as folder:
            draft, before = folder / "new", folder / PREVIOUS
            yield draft
            if target.exists():
                target.replace(before)
            draft.replace(target)
            for kept in before.iterdir() if before.exists() else ():
                if not (target / kept.name).exists():
                    kept.replace(target / kept.name)
    except OSError as problem:
        raise KerasflowError(f"{printable(str(path))} could not be written: {problem}") from problem
