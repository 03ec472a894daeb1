"""Loading Keras's files: damage is found and named, and a model is as it was where loading into it fails.

Of a damaged file Keras, h5py and Python's modules say all kinds of things, each that of the place where they stumbled.
"""

from __future__ import annotations

import functools
import json
import os
import re
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from pathlib import Path
from types import TracebackType
from typing import Any

import h5py

from kerasflow.bridge import hdf5
from kerasflow.bridge.files import flaw_of_zip
from kerasflow.bridge.versions import keras_version
from kerasflow.compiler.interrupts import all_or_nothing
from kerasflow.errors import DamagedFileError
from kerasflow.text import paragraph, shortened

ZIPPED = ".keras"
MAP = ".json"
LEGACY = (".h5", ".hdf5")
_WORDS, _CITED = 160, 4000  # characters, of damage and of an error of Keras's
# The modules whose exceptions are a file's fault; anything else that runs while one is loaded is the user's.
_OURS = frozenset(
    {"keras", "kerasflow", "numpy", "h5py", "optree", "ml_dtypes", "absl"} | sys.stdlib_module_names
)

# What to do if the file that is being loaded is damaged.
_COPY = "Take another copy."
_remedy: ContextVar[str] = ContextVar("kerasflow_remedy", default=_COPY)


@contextmanager
def remedy(text: str) -> Iterator[None]:
    """Say what to do if a file that is loaded in the block is damaged."""
    token = _remedy.set(text)
    try:
        yield
    finally:
        _remedy.reset(token)


def loading_whole(load: Callable[..., Any], into_a_model: bool) -> Callable[..., Any]:
    """A function of Keras that loads a file, but damage is an error that says so, and nothing is loaded by halves.

    Folders, open files and remote places are Keras's own business.

    Args:
        into_a_model: whether it changes a model that was there before.
    """

    @functools.wraps(load)
    def loaded(*args: Any, **kwargs: Any) -> Any:
        path = _file(*args, kwargs.get("filepath"))
        if path is None:
            return load(*args, **kwargs)
        if flaw := _flaw(path):
            raise _damaged(path, flaw)
        try:
            if _is_legacy(path):
                _check_arrays(path)
            with all_or_nothing() if into_a_model else nullcontext():
                return load(*args, **kwargs)
        except (DamagedFileError, PermissionError):
            raise
        except Exception as problem:
            newer = _newer(path)
            if not newer and not _is_users(problem.__traceback__):
                flaw = "" if path.suffix == ZIPPED else _flaw_of_data(path)
                if flaw or not _is_said_clearly(problem):
                    raise _damaged(path, flaw or f"{type(problem).__name__}: {problem}") from problem
            if not _is_users(problem.__traceback__):
                _make_printable(problem)
            said = f"This happened while {shortened(str(path), 4096)} was being loaded.{newer}"
            problem.add_note(said if newer or _remedy.get() == _COPY else f"{said} {_remedy.get()}")
            raise

    return loaded


def _newer(path: Path) -> str:
    """What is to be said if a newer Keras has written the file: it may have what the installed one does not know."""
    if path.suffix != ZIPPED:
        return ""  # The others do not tell, or are Keras 2's too.
    try:
        with zipfile.ZipFile(path) as archive:
            saved = json.loads(archive.read("metadata.json"))["keras_version"]
        theirs, ours = (re.match(r"(\d{1,9})\.(\d{1,9})", version) for version in (saved, keras_version()))
    except Exception:  # a file that says nothing, or nonsense
        return ""
    if not (theirs and ours) or tuple(map(int, theirs.groups())) <= tuple(map(int, ours.groups())):
        return ""
    return (
        f" It was saved by Keras {theirs[0]}, and this is Keras {keras_version()}, which may not know all that is in "
        "it. Install a newer one: pip install -U keras"
    )


def _file(*arguments: Any) -> Path | None:
    """The file among a function's arguments."""
    for name in arguments:
        if isinstance(name, (str, os.PathLike)) and os.path.isfile(name):
            return Path(name)
    return None


def _flaw(path: Path) -> str:
    """What can be said of a file before anything is made of it."""
    if path.suffix == ZIPPED:
        return flaw_of_zip(path)
    if path.suffix == MAP:
        return _flaw_of_map(path)
    # Of the newer kind Keras reads no attributes.
    return hdf5.flaw_of_attributes(path) if _is_legacy(path) else ""


def _flaw_of_map(path: Path) -> str:
    """What is wrong with the map of weights in several files, which are beside it."""
    try:
        for part in _parts(path):
            if not part.is_file():  # To open a pipe waits for who writes to it.
                return f"its part {part.name!r} is missing"
            try:
                h5py.File(part).close()  # Keras 3.13 skips a part that cannot be opened.
            except OSError as problem:
                return f"{part.name}: {problem}"
    except Exception as problem:  # of a dozen kinds
        return f"{type(problem).__name__}: {problem}"
    return ""


def _parts(path: Path) -> list[Path]:
    """The files that a map names."""
    named = json.loads(path.read_text(encoding="utf-8"))["weight_map"].values()
    names = {name for names in named for name in ([names] if isinstance(names, str) else names)}
    return [path.with_name(name) for name in sorted(names)]


def _flaw_of_data(path: Path) -> str:
    """What is wrong with the numbers in a file of HDF5, or in those that a map names."""
    if path.suffix != MAP:
        return hdf5.flaw_of_data(path)
    flaws = {part.name: hdf5.flaw_of_data(part) for part in _parts(path)}
    return next((f"{name}: {flaw}" for name, flaw in flaws.items() if flaw), "")


def _is_legacy(path: Path) -> bool:
    return path.suffix in LEGACY and not path.name.endswith(".weights.h5")


def _check_arrays(path: Path) -> None:
    """What `checking_arrays` does where Keras opens files itself.

    Raises:
        ValueError: as `hdf5.check_arrays`.
    """
    try:
        file = h5py.File(path)
    except Exception:  # which Keras will find
        return
    with file:
        hdf5.check_arrays(file)


def checking_arrays(opened: Callable[..., Any]) -> Callable[..., Any]:
    """A method of Keras that opens an HDF5 file, maybe one in an archive; its contents are looked at before."""

    @functools.wraps(opened)
    def checked(self: Any, *args: Any, **kwargs: Any) -> Any:
        file = opened(self, *args, **kwargs)
        if file.mode == "r":
            hdf5.check_arrays(file)
        return file

    return checked


def _damaged(path: Path, what: str) -> DamagedFileError:
    return DamagedFileError(
        f"The file {shortened(str(path), 4096)} is there, {path.stat().st_size} bytes, but it is damaged or of another "
        f"kind: its writing or its download was cut off, perhaps. {_remedy.get()} ({shortened(what, _WORDS)})"
    )


def _make_printable(problem: BaseException | None) -> None:
    """Take from an error, and from what led to it, what a file's strings could do to a terminal: Keras cites them."""
    seen = set()
    while problem is not None and id(problem) not in seen:
        seen.add(id(problem))
        problem.args = tuple(paragraph(x, _CITED) if isinstance(x, str) else x for x in problem.args)
        problem = problem.__cause__ or problem.__context__


def _is_said_clearly(problem: Exception) -> bool:
    """Whether Keras has refused a configuration or weights, and says why: its own checks raise these."""
    return isinstance(problem, (TypeError, ValueError, ImportError, MemoryError)) and not isinstance(
        problem, (json.JSONDecodeError, UnicodeError)
    )


def _is_users(traceback: TracebackType | None) -> bool:
    """Whether an exception passed through code that is neither Keras's nor ours: a layer of the user's, say."""
    while traceback is not None:
        module = traceback.tb_frame.f_globals.get("__name__", "")
        if module.partition(".")[0] not in _OURS:
            return True
        traceback = traceback.tb_next
    return False
