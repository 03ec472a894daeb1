"""Settings. The environment is read once, here, when kerasflow is imported."""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass
class Settings:
    """The settings of this process.

    Attributes:
        backend: name of the default backend (`KERASFLOW_BACKEND`, default `numpy`).
        threads: how many threads the linear algebra library may use
            (`KERASFLOW_THREADS`); None leaves its own choice, all cores.
        programs: how many programs a function (a model's step) keeps, one for each kind of batch
            (`KERASFLOW_PROGRAMS`); of more, those go that were used longest ago.
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


def from_environment(environment: os._Environ[str] | dict[str, str]) -> Settings:
    """Read the settings; an empty variable is as good as none.

    Raises:
        ValueError: naming the variable, for a value that makes no sense.
    """

    def number(name: str) -> int | None:
        value = environment.get(name)
        if value and not (value.isascii() and value.isdigit() and int(value) > 0):
            raise ValueError(f"{name} must be a positive integer, received {value!r}")
        return int(value) if value else None

    return Settings(
        backend=environment.get("KERASFLOW_BACKEND") or "numpy",
        threads=number("KERASFLOW_THREADS"),
        programs=number("KERASFLOW_PROGRAMS") or Settings.programs,
        verify=environment.get("KERASFLOW_VERIFY", "1") != "0",
        debug_nans=(environment.get("KERASFLOW_DEBUG_NANS") or "0") != "0",
    )


settings = from_environment(os.environ)
