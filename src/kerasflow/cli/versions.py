"""`kerasflow --version`: what a report of a bug has to say of the machine. No framework is imported for it."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, version

import numpy as np

import kerasflow
from kerasflow import blas
from kerasflow._settings import VARIABLES
from kerasflow.bridge.versions import keras_version
from kerasflow.compiler import registry
from kerasflow.compiler.threads import threads
from kerasflow.text import table


def as_text() -> str:
    """A line for each thing, its name first."""
    rows = [
        ("kerasflow", kerasflow.__version__),
        ("Python", f"{platform.python_version()} ({platform.python_implementation()})"),
        ("Keras", keras_version()),
        ("NumPy", np.__version__),
        *(("BLAS", library) for library in _blas()),
        *((f"backend {name}", _brought_by(name)) for name in kerasflow.backends()),
        ("threads", f"{threads()} of {os.cpu_count()} processors"),
        ("platform", platform.platform()),
        ("processor", _processor()),
        *((name, os.environ[name]) for name in VARIABLES if os.environ.get(name)),
    ]
    return table(rows, left=2, gap="  ")


def _blas() -> Iterator[str]:
    """NumPy's BLAS libraries: as they run, or else as NumPy was built."""
    loaded = blas.numpys()
    for library in loaded:
        built = [getattr(library, key, None) for key in ("architecture", "threading_layer")]
        about = f" ({', '.join(filter(None, built))})" if any(built) else ""
        yield f"{library.internal_api} {library.version}{about}, threads: {library.num_threads}"
    if not loaded:
        found = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
        yield f"{found.get('name')} {found.get('version')}"


def _brought_by(backend: str) -> str:
    """The distributions that a backend is made of, and their versions."""
    distribution = registry.distribution(backend)
    if distribution is None:
        return "of unknown origin"
    needed = list(dict.fromkeys(_needed(distribution, backend)))
    found = [f"{name} {number}" for name in needed if (number := _version(name))]
    own = f"{distribution.name} {distribution.version}"
    if needed and not found:
        return f"{own}, without {' or '.join(needed)}"
    return ", ".join([own, *found])


def _needed(distribution: Distribution, backend: str) -> Iterator[str]:
    """What a distribution requires for a backend: by an extra of its name, or for all that a stranger's has."""
    for requirement in distribution.requires or ():
        name = re.split(r"[^\w.-]", requirement, maxsplit=1)[0]
        extra = re.search(r"extra\s*==\s*['\"]([^'\"]+)", requirement)
        if extra[1] == backend if extra else "kerasflow" not in (name, distribution.name):
            yield name


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    """The processor's name; its architecture, where the system does not tell more."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
