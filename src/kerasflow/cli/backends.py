"""`kerasflow backends`: which backends there are, and what each of them needs and can use.

Each is loaded in a process of its own, so that one that ends its process, or fights with another's framework, is
reported like any other.
"""

from __future__ import annotations

import dataclasses
import importlib
import shutil
import textwrap
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import kerasflow
from kerasflow.cli.processes import run_job, serve_job
from kerasflow.compiler import current_backend, registry
from kerasflow.errors import UnknownBackendError
from kerasflow.text import table

WIDTH = 100  # the most columns of a paragraph


@dataclasses.dataclass(frozen=True)
class Description:
    """What is known of a backend.

    Attributes:
        name: as users write it.
        default: whether programs run on it unless another one is chosen.
        distribution: the distribution that brings it, and its version; None if that is not known.
        usable: whether it could be loaded.
        framework: the module that does its work, and its version; None if it does not say.
        devices: what it can run on.
        problem: why it is not usable, and what to do; None if it is.
    """

    name: str
    default: bool
    distribution: str | None
    usable: bool = False
    framework: str | None = None
    devices: Sequence[str] = ()
    problem: str | None = None


def describe(names: Sequence[str]) -> list[Description]:
    """The backends of these names, in this order.

    Raises:
        UnknownBackendError: listing the available names.
    """
    for name in names:
        registry.check_name(name)
    with ThreadPoolExecutor() as pool:
        return list(pool.map(_describe, names))


def _describe(name: str) -> Description:
    dist = registry.distribution(name)
    known = Description(name, name == kerasflow.backend(), f"{dist.name} {dist.version}" if dist else None)
    finished = run_job("kerasflow.cli.backends", {"name": name})
    if finished.result is not None:
        return dataclasses.replace(known, **finished.result)
    last = (finished.output.strip().splitlines() or ["it said nothing"])[-1]
    return dataclasses.replace(
        known, problem=f"Loading {name!r} ended its process with code {finished.code}: {last}"
    )


def _inspect(job: dict[str, Any], arguments: list[str]) -> dict[str, Any]:
    """What can be said of a backend once it is loaded: the last four attributes of `Description`."""
    try:
        backend = current_backend(job["name"])
        framework = getattr(backend, "framework", None)
        version = getattr(importlib.import_module(framework), "__version__", "") if framework else ""
        found = backend.devices().items() if hasattr(backend, "devices") else ()
        devices = [f"{name} ({what})" if what else name for name, what in found]
    except UnknownBackendError as error:
        return {"problem": str(error)}
    except Exception as error:  # What a stranger's `devices` may raise.
        return {"problem": f"{type(error).__name__}: {error}"}
    return {
        "usable": True,
        "framework": f"{framework} {version}".strip() if framework else None,
        "devices": devices,
    }


def as_text(described: Sequence[Description]) -> str:
    """The descriptions as a table of at most 100 columns, unless names are very long, and what is wrong below it."""
    rows = [("", "backend", "framework", "devices", "from")]
    for d in described:
        framework = d.framework or "-" if d.usable else "not usable"
        first, *more = d.devices or ["-"]
        rows.append(("*" if d.default else "", d.name, framework, first, d.distribution or "-"))
        rows += [("", "", "", device, "") for device in more]
    width = min(WIDTH, shutil.get_terminal_size().columns)
    paragraphs = [table(rows, left=5, gap="  ")]
    paragraphs += [
        textwrap.fill(f"{d.name}: {d.problem}", width, subsequent_indent="    ", break_long_words=False)
        for d in described
        if d.problem
    ]
    if any(d.default for d in described):
        paragraphs.append("* runs programs unless another one is chosen (KERASFLOW_BACKEND, use_backend, …)")
    else:
        paragraphs.append(f"KERASFLOW_BACKEND is {kerasflow.backend()!r}: there is no such backend.")
    return "\n\n".join(paragraphs)


if __name__ == "__main__":
    serve_job(_inspect)
