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
        verify: check every graph after every transformation
            (`KERASFLOW_VERIFY`, default on; `0` switches it off).
    """

    backend: str = "numpy"
    threads: int | None = None
    verify: bool = True


def from_environment(environment: os._Environ[str] | dict[str, str]) -> Settings:
    """Read the settings; an empty variable is as good as none.

    Raises:
        ValueError: naming the variable, for a value that makes no sense.
    """
    threads = environment.get("KERASFLOW_THREADS")
    if threads and not (threads.isdigit() and int(threads) > 0):
        raise ValueError(f"KERASFLOW_THREADS must be a positive integer, received {threads!r}")
    return Settings(
        backend=environment.get("KERASFLOW_BACKEND") or "numpy",
        threads=int(threads) if threads else None,
        verify=environment.get("KERASFLOW_VERIFY", "1") != "0",
    )


settings = from_environment(os.environ)
