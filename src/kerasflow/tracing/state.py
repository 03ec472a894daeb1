"""Mutable state: one cell for each Keras variable."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from kerasflow.graph import ShapedArray, shaped


class Owner(Protocol):
    """The part of a backend that a cell needs."""

    def from_host(self, array: np.ndarray[Any, Any]) -> Any:
        """A new buffer of the backend's own with the array's contents."""

    def to_host(self, buffer: Any) -> np.ndarray[Any, Any]:
        """The contents as a NumPy array, which may share the buffer's memory."""


class Cell:
    """A place for one array, held by the backend that used it last.

    Programs change a cell's buffer in place. A host array that user code got
    from `read` never changes: the first program that writes afterwards gets a
    fresh buffer (copy on write).

    Args:
        array: the first contents; taken over, not copied.
        name: a readable name, e.g. a Keras variable's path.
    """

    __slots__ = ("aval", "name", "_buffer", "_owner", "_shared", "__weakref__")

    def __init__(self, array: np.ndarray[Any, Any], name: str = "") -> None:
        self.aval: ShapedArray = shaped(array)
        self.name = name
        self._buffer: Any = array
        self._owner: Owner | None = None
        self._shared = True

    def read(self) -> np.ndarray[Any, Any]:
        """The contents, a read-only array that stays as it is."""
        host = self._buffer if self._owner is None else self._owner.to_host(self._buffer)
        self._shared = True
        host = host.view()
        host.flags.writeable = False
        return host  # type: ignore[no-any-return]

    def write(self, array: np.ndarray[Any, Any]) -> None:
        """Replace the contents by a host array of the same shape and dtype; taken over, not copied."""
        self._buffer, self._owner, self._shared = array, None, True

    def acquire(self, backend: Owner, writes: bool) -> Any:
        """The contents as a buffer of `backend`, which may be written in place if `writes`."""
        if self._owner is backend and not (writes and self._shared):
            return self._buffer
        host = self._buffer if self._owner is None else self._owner.to_host(self._buffer)
        self._buffer, self._owner, self._shared = backend.from_host(host), backend, False
        return self._buffer

    def release(self, buffer: Any) -> None:
        """Take the buffer that a program of the owning backend left as the new contents."""
        self._buffer = buffer

    def __getstate__(self) -> tuple[Any, str]:
        return np.array(self.read()), self.name

    def __setstate__(self, state: tuple[Any, str]) -> None:
        self.__init__(*state)  # type: ignore[misc]

    def __deepcopy__(self, memo: dict[int, Any]) -> Cell:
        return memo.setdefault(id(self), Cell(*self.__getstate__()))
