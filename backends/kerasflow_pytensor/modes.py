"""How PyTensor compiles programs: its linker, and those of its rewrites that keep what NumPy means."""

from __future__ import annotations

import math

import pytensor
from pytensor.compile.mode import Mode, RewriteDatabaseQuery

from kerasflow_pytensor.interpreted import Interpret

REWRITES = RewriteDatabaseQuery(include=["minimum_compile", "merge", "fusion", "inplace"])


# From how many elements on a loop is compiled as C.
WORTH_COMPILING = 2**14


def mode(linker: str | None) -> tuple[Mode, float]:
    linker = linker or pytensor.config.linker
    if linker == "auto":
        linker = "cvm"
    if linker not in ("cvm", "vm", "py", "c|py"):
        return Mode(linker, REWRITES), 0
    worth = WORTH_COMPILING if pytensor.config.cxx and linker in ("cvm",) else math.inf
    return Mode(linker, REWRITES).register((Interpret(), 99)), worth
