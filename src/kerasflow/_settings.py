"""Settings. The environment is read once, here, when kerasflow is imported."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any

from kerasflow._command import is_command
from kerasflow.errors import SettingError
from kerasflow.suggestion import did_you_mean

PREFIX = "KERASFLOW_"
BACKENDS = "kerasflow.backends"  # the group of entry points by which backends are found


@dataclass
class Settings:
    """The settings of this process.

    Attributes:
        backend: name of the default backend (`KERASFLOW_BACKEND`, default `numpy`).
        threads: how many cores a NumPy program may use, on threads and by other processes (`KERASFLOW_THREADS`);
            without it, as many as the process has, at most eight.
        programs: how many programs a function (a model's step) keeps, one for each kind of batch
            (`KERASFLOW_PROGRAMS`, default 128); of more, those go that were used longest ago.
        verify: check every graph after every transformation
            (`KERASFLOW_VERIFY`, default on; `0` switches it off).
        debug_nans: stop at the first operation that makes NaN or infinity
            (`KERASFLOW_DEBUG_NANS`, default off; `1` switches it on).
    """

    backend: str = "numpy"
    threads: int | None = None
    programs: int = 128
    verify: bool = True
    debug_nans: bool = False


def _backend(text: str) -> str:
    names = [] if text == Settings.backend else sorted(point.name for point in entry_points(group=BACKENDS))
    if names and text not in names:
        raise ValueError(f"one of the backends {', '.join(names)}", did_you_mean(text, names))
    return text


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) > 0):
        raise ValueError("a positive integer", "")
    return int(text)


def _switch(text: str) -> bool:
    if text not in ("0", "1"):
        raise ValueError("0 or 1", "")
    return text == "1"


# Each variable, the setting that it is for, and what reads its text: a ValueError has what is allowed and a suggestion.
VARIABLES: dict[str, tuple[str, Callable[[str], Any]]] = {
    "KERASFLOW_BACKEND": ("backend", _backend),
    "KERASFLOW_THREADS": ("threads", _number),
    "KERASFLOW_PROGRAMS": ("programs", _number),
    "KERASFLOW_VERIFY": ("verify", _switch),
    "KERASFLOW_DEBUG_NANS": ("debug_nans", _switch),
    "KERASFLOW_NOTEBOOK_EPOCHS": ("", _number),  # read by the notebooks themselves
}


def from_environment(environment: Mapping[str, str]) -> Settings:
    """Read the settings; an empty variable is as good as none.

    Raises:
        SettingError: naming the variable, what was received and what is allowed.
    """
    found = Settings()
    for name, (setting, read) in VARIABLES.items():
        text = environment.get(name)
        if not text:
            continue
        try:
            value = read(text)
        except ValueError as problem:
            allowed, suggestion = problem.args
            raise SettingError(f"{name} must be {allowed}; received {text!r}.{suggestion}") from None
        if setting:
            setattr(found, setting, value)
    return found


def unknown_variables(environment: Mapping[str, str]) -> Iterator[str]:
    """What to say of each variable whose name begins as ours do, and that is none."""
    for name in sorted(environment):
        if name.startswith(PREFIX) and name not in VARIABLES:
            suggestion = did_you_mean(name, VARIABLES, PREFIX)
            yield f"{name} is no setting of kerasflow, and changes nothing.{suggestion}"


def warn_of_unknown_variables() -> None:
    """Warn of misspelt names, at the line that imports the package; of the command, each is a line."""
    for remark in unknown_variables(os.environ):
        if is_command():
            print(f"kerasflow: warning: {remark}", file=sys.stderr)
        else:
            warnings.warn(remark, stacklevel=3)


def _read() -> Settings:
    """This process's settings. The command ends with one line where a program gets an exception."""
    try:
        return from_environment(os.environ)
    except SettingError as problem:
        if not is_command():
            raise
        print(f"kerasflow: error: {problem}", file=sys.stderr)
        sys.exit(2)


settings = _read()
