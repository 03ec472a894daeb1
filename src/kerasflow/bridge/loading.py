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

from kerasflow.bridge import hdf5
from kerasflow.bridge.files import flaw_of_zip
from kerasflow.bridge.versions import keras_version
from kerasflow.compiler.interrupts import all_or_nothing
from kerasflow.errors import DamagedFileError
from kerasflow.text import shortened

ZIPPED = ".keras"
LEGACY = (".h5", ".hdf5")
_WORDS = 160
# The modules whose exceptions are a file's fault; anything else that runs while one is loaded is the user's.
_OURS = frozenset(
    {"keras", "kerasflow", "numpy", "h5py", "optree", "ml_dtypes", "absl"} | sys.stdlib_module_names
)

# What to do if the file that is being loaded is damaged.
_remedy: ContextVar[str] = ContextVar("kerasflow_remedy", default="Take another copy.")


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
            with all_or_nothing() if into_a_model else nullcontext():
                return load(*args, **kwargs)
        except (DamagedFileError, PermissionError):
            raise
        except Exception as problem:
            newer = _newer(path)
            if not newer and not _is_users(problem.__traceback__):
                flaw = "" if path.suffix == ZIPPED else hdf5.flaw_of_data(path)
                if flaw or not _is_said_clearly(problem):
                    raise _damaged(path, flaw or f"{type(problem).__name__}: {problem}") from problem
            problem.add_note(f"This happened while {shortened(str(path), 4096)} was being loaded.{newer}")
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
    # Of the newer kind Keras reads no attributes.
    if path.suffix in LEGACY and not path.name.endswith(".weights.h5"):
        return hdf5.flaw_of_attributes(path)
    return ""


def _damaged(path: Path, what: str) -> DamagedFileError:
    return DamagedFileError(
        f"The file {shortened(str(path), 4096)} is there, {path.stat().st_size} bytes, but it is damaged or of another "
        f"kind: its writing or its download was cut off, perhaps. {_remedy.get()} ({shortened(what, _WORDS)})"
    )


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
