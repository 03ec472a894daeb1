"""Settings. The environment is read once, here, when kerasflow is imported."""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass
class Settings:
    """The settings of this process.

    Attributes:
        backend: name of the default backend (`KERASFLOW_BACKEND`, default `numpy`).
        threads: how many threads a NumPy program may use (`KERASFLOW_THREADS`);
            without it, as many as the process has cores, at most eight.
        programs: how many programs a function (a model's step) keeps, one for each kind of batch
            (`KERASFLOW_PROGRAMS`, default 128); of more, those go that were used longest ago.
        verify: check every graph after every transformation
            (`KERASFLOW_VERIFY`, default on; `0` switches it off).
    """

    backend: str = "numpy"
    threads: int | None = None
    programs: int = 128
    verify: bool = True


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
    )


settings = from_environment(os.environ)
