"""Which backends there are (entry points `kerasflow.backends`), and which one runs programs now."""

from __future__ import annotations

import functools
import random
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from importlib.metadata import EntryPoint, entry_points

import numpy as np

from kerasflow.compiler.backend import Backend
from kerasflow.compiler.threads import threads
from kerasflow.config import settings
from kerasflow.errors import UnknownBackendError

GROUP = "kerasflow.backends"

_selected: ContextVar[str | None] = ContextVar("kerasflow_backend", default=None)


@functools.cache
def _entry_points() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}


@functools.cache
def _load(name: str) -> Backend:
    point = _entry_points()[name]
    try:
        with _random_state_kept():
            backend: Backend = point.load()()
    except ImportError as error:
        raise UnknownBackendError(
            f"The backend {name!r} needs the module {error.name!r}, which is not installed. "
            f'Install it with: pip install "kerasflow[{name}]"'
        ) from error
    if hasattr(backend, "threads"):
        backend.threads = threads()
    return backend


@contextmanager
def _random_state_kept() -> Iterator[None]:
    """Importing a framework may draw from Python's and NumPy's generators, which shuffle data and make seeds."""
    python, numpy = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)


def backends() -> list[str]:
    """The names of the available backends, sorted."""
    return sorted(_entry_points())


def check(name: str) -> str:
    """The name, if a backend has it and its framework is installed.

    Raises:
        UnknownBackendError: listing the available names, or naming the extra to install.
    """
    if name not in _entry_points():
        raise UnknownBackendError(
            f"There is no backend {name!r}. Available: {', '.join(backends()) or 'none'}."
        )
    _load(name)
    return name


def backend() -> str:
    """The name of the backend that runs programs now: the innermost `use_backend`, else `set_backend`'s."""
    return _selected.get() or settings.backend


def current_backend(name: str | None = None) -> Backend:
    """The backend of this name, or the one that runs programs now."""
    return _load(check(name or backend()))


def set_backend(name: str) -> None:
    """Choose the backend for this process.

    Raises:
        UnknownBackendError: as `check`.
    """
    settings.backend = check(name)


@contextmanager
def use_backend(name: str) -> Iterator[None]:
    """Choose the backend for a block (and for this thread or task alone).

    Raises:
        UnknownBackendError: as `check`.
    """
    token = _selected.set(check(name))
    try:
        yield
    finally:
        _selected.reset(token)
