"""HDF5 files for writing, where the disk may be full.

HDF5's library crashes its process where what it has not written yet cannot be written when the file is closed. So it
writes through an object whose writes never fail: the first problem is kept, and raised once the library is done.
"""

from __future__ import annotations

import functools
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py


class _Unfailing(io.RawIOBase):
    """A file whose reads and writes seem to succeed, whatever happens: a full disk, Ctrl-C.

    Attributes:
        problem: what has happened; nothing has been written since.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.problem: BaseException | None = None
        self._descriptor = os.open(
            path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0), 0o666
        )
        self._place = 0

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: os.fstat(self._descriptor).st_size}
        self._place = base[whence] + offset
        return self._place

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        os.lseek(self._descriptor, self._place, os.SEEK_SET)
        data = os.read(self._descriptor, len(view))
        view[: len(data)] = data
        self._place += len(data)
        return len(data)

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        try:
            done = 0 if self.problem is None else len(view)
            os.lseek(self._descriptor, self._place, os.SEEK_SET)
            while done < len(view):
                done += os.write(self._descriptor, view[done:])
        except BaseException as problem:
            self.problem = problem
        self._place += len(view)
        return len(view)

    def truncate(self, size: int | None = None) -> int:
        size = self._place if size is None else size
        try:
            if self.problem is None:
                os.ftruncate(self._descriptor, size)
        except BaseException as problem:
            self.problem = problem
        return size

    def close(self) -> None:
        if not self.closed:
            super().close()
            os.close(self._descriptor)


class WrittenFile(h5py.File):
    """An HDF5 file that is written anew.

    Its `close` raises what has happened while it was written, an `OSError` mostly.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = os.fspath(path)
        self._below = _Unfailing(path)
        super().__init__(self._below, "w")

    @property
    def filename(self) -> str:
        return self._path

    def close(self) -> None:
        super().close()
        problem, self._below.problem = self._below.problem, None
        self._below.close()
        if problem is not None:
            raise problem


def opened(name: Any, mode: str = "r", **keywords: Any) -> h5py.File:
    """`h5py.File`, but what is written anew can meet a full disk."""
    if mode == "w" and isinstance(name, (str, Path)) and not keywords:
        return WrittenFile(name)
    return h5py.File(name, mode, **keywords)


def into_written(save: Callable[..., Any]) -> Callable[..., Any]:
    """A function of Keras that saves a model to an HDF5 file, open or not; one that is not is opened by `opened`."""

    @functools.wraps(save)
    def saved(model: Any, filepath: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(filepath, h5py.File):
            return save(model, filepath, *args, **kwargs)
        Path(filepath).parent.mkdir(parents=True, exist_ok=True)
        with opened(filepath, "w") as file:
            return save(model, file, *args, **kwargs)

    return saved
