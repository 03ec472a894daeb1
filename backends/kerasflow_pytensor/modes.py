"""How PyTensor compiles programs: its linkers, and those of its rewrites that keep what NumPy means."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytensor
from pytensor.compile.mode import Mode, RewriteDatabaseQuery

from kerasflow_pytensor.interpreted import Interpret

# Merging, loop fusion and work in place keep every number. PyTensor's algebra ("canonicalize", "stabilize",
# "specialize") does not: to it x * 0 is 0 and x / x is 1 also where x is NaN. Kerasflow's own passes have simplified
# graphs before, and the search for rewrites is most of the time that PyTensor takes to compile.
# A sum over a square as one operation, which PyTensor makes for its C code, is wrong where `Interpret` runs it: it goes
# axis by axis, and squares again what it has summed.
REWRITES = RewriteDatabaseQuery(
    include=["minimum_compile", "merge", "fusion", "inplace"], exclude=["local_careduce_fusion"]
)

# The linkers that call one operation after the other; all others compile a program as a whole.
STEPWISE = frozenset("cvm cvm_nogc vm vm_nogc c|py c|py_nogc py".split())

# From how many elements on a loop is worth a run of the C compiler, which takes about a second.
WORTH_COMPILING = 2**14

# Whole vectors of comparisons and choices; no number depends on it, only flags that nobody reads.
CXXFLAGS = "-fno-trapping-math"


@dataclass(frozen=True)
class Settings:
    """How a program is made.

    Attributes:
        mode: PyTensor's mode, of it and of the bodies of its loops.
        native_from: from how many elements on PyTensor's operations compute what is done element by element; with
            fewer it is NumPy's functions.
    """

    mode: Mode
    native_from: float


def chosen_linker() -> str:
    """The linker that PyTensor is configured for."""
    # PyTensor's own choice, Numba, takes a minute to compile a training step.
    return "cvm" if pytensor.config.linker == "auto" else str(pytensor.config.linker)


def settings(linker: str | None, native_from: float | None, threads: int) -> Settings:
    """The settings for a linker; None is the one that PyTensor is configured for.

    Args:
        native_from: as in `Settings`; None chooses by the linker. threads: for large products.
    """
    linker = linker or chosen_linker()
    if linker not in STEPWISE:
        return Settings(Mode(linker, REWRITES), native_from or 0)
    if linker == "py" or not pytensor.config.cxx:
        native_from = math.inf  # Without a compiler PyTensor runs a fused loop in Python, number by number.
    elif native_from is None:
        native_from = WORTH_COMPILING
    # Behind all of PyTensor's rewrites, which know its own operations.
    return Settings(Mode(linker, REWRITES).register((Interpret(threads), 1000)), native_from)
