"""Which backends there are (entry points `kerasflow.backends`), and which one runs programs now."""

from __future__ import annotations

import functools
import platform
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from importlib.metadata import Distribution, EntryPoint, entry_points
from typing import Any

import numpy as np

from kerasflow._settings import BACKENDS, settings
from kerasflow.compiler.backend import Backend
from kerasflow.compiler.block import block
from kerasflow.compiler.threads import threads
from kerasflow.errors import ExportError, UnknownBackendError
from kerasflow.suggestion import did_you_mean
from kerasflow.tracing.foreign import Recording

_selected: ContextVar[Backend | None] = ContextVar("kerasflow_backend", default=None)


@functools.cache
def _entry_points() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=BACKENDS)}


_loaded: list[Backend] = []
# What every backend has.
_MEMBERS = ("name", "primitives", "compile", "from_host", "to_host")


@functools.cache
def _load(name: str) -> Backend:
    point = _entry_points()[name]
    try:
        with _random_state_kept():
            backend: Backend = point.load()()
    except ModuleNotFoundError as error:
        raise UnknownBackendError(
            f"The backend {name!r} needs the module {error.name!r}, which is not installed. "
            f"{_remedy(point, str(error.name))}"
        ) from error
    except (Exception, SystemExit) as error:  # Frameworks fail in many ways while they are imported.
        raise UnknownBackendError(
            f"The backend {name!r} cannot be loaded: {type(error).__name__}: {error}"
        ) from error
    _require_whole(name, backend)
    _loaded.append(backend)
    set_threads()
    return backend


def _require_whole(name: str, backend: Any) -> None:
    """See that what an entry point brings is a backend, under its own name.

    Raises:
        UnknownBackendError: saying what is amiss.
    """
    kind = type(backend).__name__
    lacking = [f"`{member}`" for member in _MEMBERS if not hasattr(backend, member)]
    if lacking:
        raise UnknownBackendError(
            f"The backend {name!r} ({kind}) is none: it lacks {', '.join(lacking)}. "
            "`kerasflow.compiler.backend.Backend` says what they are."
        )
    if backend.name != name:
        raise UnknownBackendError(
            f"The backend {name!r} ({kind}) calls itself {backend.name!r}: the attribute `name` has to be that of its "
            f"entry point in the group {BACKENDS!r}."
        )


def set_threads() -> None:
    """Say to the backends that are loaded how many cores a program may use, from now on."""
    for backend in _loaded:
        for cores in ("threads", "processes"):
            if hasattr(backend, cores):
                setattr(backend, cores, threads())


def _remedy(point: EntryPoint, module: str) -> str:
    """How to install what a backend lacks: by an extra of its name, if its distribution has one."""
    if point.dist is None or point.name not in (point.dist.metadata.get_all("Provides-Extra") or ()):
        return f"Install it with: pip install {module.partition('.')[0]}"
    from packaging.requirements import Requirement

    extra = f"{point.dist.name}[{point.name}]"
    markers = [requirement.marker for requirement in map(Requirement, point.dist.requires or ())]
    own = [marker for marker in markers if marker and f'extra == "{point.name}"' in str(marker)]
    if own and not any(marker.evaluate({"extra": point.name}) for marker in own):
        others = [name for name in backends() if name != point.name]
        python = f"Python {sys.version_info.major}.{sys.version_info.minor}"
        return (
            f"{extra} brings nothing for {python} on this machine ({sys.platform}, {platform.machine()}): take another "
            f"Python, or another backend ({', '.join(others)})."
        )
    return f'Install it with: pip install "{extra}"'


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


def distribution(name: str) -> Distribution | None:
    """The installed distribution that brings the backend of this name, if its metadata tell.

    Raises:
        UnknownBackendError: listing the available names.
    """
    return _entry_points()[check_name(name)].dist


def check_name(name: str) -> str:
    """The name, if a backend has it; whether its framework is installed is left open.

    Raises:
        UnknownBackendError: listing the available names.
    """
    if name not in _entry_points():
        suggestion = did_you_mean(str(name), backends())
        raise UnknownBackendError(
            f"There is no backend {name!r}.{suggestion} Available: {', '.join(backends()) or 'none'}."
        )
    return name


def backend() -> str:
    """The name of the backend that runs programs now: the innermost `use_backend`, else `set_backend`'s."""
    chosen = _selected.get()
    return settings.backend if chosen is None else chosen.name


def current_backend(name: str | None = None) -> Backend:
    """The backend of this name, or the one that runs programs now.

    Raises:
        UnknownBackendError: listing the available names, or naming what is to be installed.
    """
    chosen = _selected.get()
    if name is None and chosen is not None:
        return chosen
    return _load(check_name(settings.backend if name is None else name))


def foreign_recording() -> Recording | None:
    """A new recording of the functions of the framework that runs programs now, if its backend can make one."""
    record = getattr(current_backend(), "record", None)
    return None if record is None else record()


def backend_for(format: str) -> Backend:
    """The backend that writes files of a format: the current one if it does, else the first that can be loaded.

    Raises:
        ExportError: there is none; with what those lack that cannot be loaded.
    """
    current, problems = current_backend(), []
    if format in getattr(current, "formats", ()):
        return current
    for name in backends():
        try:
            candidate = _load(name)
        except UnknownBackendError as error:
            problems.append(str(error))
            continue
        if format in getattr(candidate, "formats", ()):
            return candidate
    raise ExportError(" ".join([f"There is no backend here that writes the format {format!r}.", *problems]))


def set_backend(name: str) -> None:
    """Choose the backend for this process.

    Raises:
        UnknownBackendError: listing the available names, or naming what is to be installed.
    """
    _load(check_name(name))
    settings.backend = name


@block
def use_backend(name: str) -> Iterator[None]:
    """Choose the backend for a block (and for this thread or task alone).

    Raises:
        UnknownBackendError: listing the available names, or naming what is to be installed.
    """
    with running_on(_load(check_name(name))):
        yield


@contextmanager
def running_on(chosen: Backend) -> Iterator[None]:
    """Choose a backend that need not be an entry point's, as `use_backend` does."""
    token = _selected.set(chosen)
    try:
        yield
    finally:
        _selected.reset(token)
