"""How PyTensor compiles programs: its linker, and those of its rewrites that keep what NumPy means."""

from __future__ import annotations

import math

import pytensor
from pytensor.compile.mode import Mode, RewriteDatabaseQuery

from kerasflow_pytensor.interpreted import WORTH_COMPILING, Interpret

REWRITES = RewriteDatabaseQuery(include=["minimum_compile", "merge", "fusion", "inplace"])


def mode(linker: str | None) -> Mode:
    linker = linker or pytensor.config.linker
    if linker == "auto":
        linker = "cvm"
    if linker not in ("cvm", "vm", "py", "c|py"):
        return Mode(linker, REWRITES)
    worth = WORTH_COMPILING if pytensor.config.cxx and linker in ("cvm",) else math.inf
    return Mode(linker, REWRITES).register((Interpret(worth), 48.5), (Interpret(None), 99))
