"""Who is compared: interpreters, each with the framework that runs Keras there."""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

KERAS_BACKENDS = ("tensorflow", "jax", "torch", "openvino")
OURS = "kerasflow"


@dataclass(frozen=True)
class Contestant:
    """A framework and the interpreter that has it.

    Attributes:
        name: `kerasflow`, the name of a Keras backend, or `sklearn`.
        python: the interpreter's path.
        backend: kerasflow's backend; "" for the others.
    """

    name: str
    python: str
    backend: str = ""

    def __str__(self) -> str:
        return f"{self.name}, {self.backend}" if self.ours and self.backend != "numpy" else self.name

    @property
    def ours(self) -> bool:
        """Whether kerasflow runs it."""
        return self.name == OURS

    def command(self, *program: str) -> list[str]:
        """What runs a program and its arguments, started the way its users would start it."""
        return [self.python, *(["-m", "kerasflow"] if self.ours else []), *program]

    def environment(self) -> dict[str, str]:
        """The environment to run in: this process's, without what steers Python or Keras, and with the backend."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "KERAS"))}
        chosen = {"KERASFLOW_BACKEND": self.backend} if self.ours else {}
        if self.name in KERAS_BACKENDS:
            chosen = {"KERAS_BACKEND": self.name}
        return {**kept, **chosen, "TF_CPP_MIN_LOG_LEVEL": "3"}


def parse_contestant(text: str) -> Contestant:
    """`NAME=PYTHON`, for argparse."""
    name, equals, python = text.partition("=")
    known = (*KERAS_BACKENDS, "sklearn")
    if not equals or name not in known:
        raise argparse.ArgumentTypeError(
            f"expected NAME=PYTHON, NAME one of {', '.join(known)}; received {text!r}"
        )
    if shutil.which(python) is None:
        raise argparse.ArgumentTypeError(f"there is no interpreter {python!r}")
    return Contestant(name, python)


def add_contestants(parser: argparse.ArgumentParser) -> None:
    """The arguments that say who is compared."""
    parser.add_argument(
        "--kerasflow",
        default=sys.executable,
        metavar="PYTHON",
        help="the interpreter that has kerasflow (this one)",
    )
    parser.add_argument(
        "--backends",
        type=lambda text: text.split(","),
        default=["numpy"],
        metavar="NAME,…",
        help="the backends of kerasflow that run (default: numpy)",
    )
    parser.add_argument(
        "--against",
        type=parse_contestant,
        action="append",
        default=[],
        metavar="NAME=PYTHON",
        help="a framework and the interpreter that has it; may be repeated",
    )


def contestants(arguments: argparse.Namespace) -> list[Contestant]:
    """Kerasflow first, then the others."""
    ours = [Contestant(OURS, arguments.kerasflow, backend) for backend in arguments.backends]
    return [*ours, *arguments.against]


def machine() -> str:
    """The machine in words: processor, cores, memory, system, Python."""
    name = platform.processor() or platform.machine()
    memory = ""
    if sys.platform == "linux":
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), name)
        memory = f", {os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB"
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{name}, {cores} cores{memory}, {platform.system()}, Python {platform.python_version()}"


def table(header: list[str], rows: list[list[str]]) -> str:
    """A Markdown table whose columns are aligned, so that it reads well as plain text too."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]

    def line(cells: list[str]) -> str:
        first, *rest = (
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        return "| " + " | ".join([first, *rest]) + " |"

    rule = (
        "|" + "|".join("-" * (width + 1) + ("-" if i == 0 else ":") for i, width in enumerate(widths)) + "|"
    )
    return "\n".join([line(header), rule, *map(line, rows)])
