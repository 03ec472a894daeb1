"""A compiled graph, to be called from any thread."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np

from kerasflow.blas import numpys, one_thread, with_scipys
from kerasflow.graph import Measurement, ShapedArray, check_inputs
from kerasflow_numpy.emit.code import Code
from kerasflow_numpy.run.binding import Context
from kerasflow_numpy.run.measure import Stopwatch
from kerasflow_numpy.run.workspace import Workspace, aligned, workspace

Array = np.ndarray[Any, Any]

# What multiplies matrices. Left alone, BLAS takes threads of its own from half a million operations on.
_BLAS = re.compile(
    r"\b(parallel|convolution|halves|np\.(matmul|einsum|linalg)|kernels\.(cofactors|eig|lstsq))\b"
)
# What calls SciPy's LAPACK, one matrix after the other; its BLAS takes threads for the smallest.
_LAPACK = re.compile(r"\bkernels\.(lu|solve_triangular)\b")


def called(source: str) -> Callable[[], Sequence[Any]] | None:
    """What finds the BLAS libraries that a program of this text calls; None if it calls none."""
    if _LAPACK.search(source) is not None:
        return with_scipys
    return None if _BLAS.search(source) is None else numpys


class NumpyProgram:
    """A compiled graph; may be called from several threads, each of which has a workspace of its own.

    Attributes:
        workspace: its size in bytes. kept: bytes that are in use between calls, but for state: the workspace, which
            the thread's programs share, and constants.
        inputs: the types that the inputs must have. source: the generated function, to be read.
    """

    def __init__(self, code: Code, workspace: int, inputs: Sequence[ShapedArray]) -> None:
        self.code = code
        self.workspace = workspace
        self.kept = workspace + sum(array.nbytes for array in code.constants)
        self.inputs = list(inputs)
        self.source = code.shown
        self._libraries = called(self.source)

    def __call__(self, state: Sequence[Array], inputs: Sequence[Array]) -> tuple[list[Any], Sequence[Array]]:
        check_inputs(self.inputs, inputs)
        with workspace() as mine:
            return self._run(self._context(mine), state, inputs)

    def _context(self, mine: Workspace) -> Context:
        """The function as it is bound in a workspace."""
        context = mine.contexts.get(self)
        if context is None:
            context = mine.contexts[self] = Context(self.code, mine.memory(self.workspace))
        return context

    def on_one_thread(self) -> AbstractContextManager[None]:
        """A block in which the BLAS libraries that the program calls have one thread."""
        return nullcontext() if self._libraries is None else one_thread(self._libraries())

    def _run(
        self, context: Context, state: Sequence[Array], inputs: Sequence[Array]
    ) -> tuple[list[Any], Sequence[Array]]:
        if not context.holds(state):
            context.bind(state)
        with self.on_one_thread(), np.errstate(all="ignore"):
            outputs = context.step(*inputs)  # type: ignore[misc]
        return outputs, context.state

    def measured(self) -> Callable[..., tuple[list[Any], Sequence[Array], list[Measurement]]]:
        """The program with a clock: what it returns has as its third part what each line took. For one thread."""
        watch = Stopwatch()
        context = Context(self.code, aligned(self.workspace), watch)

        def run(
            state: Sequence[Array], inputs: Sequence[Array]
        ) -> tuple[list[Any], Sequence[Array], list[Measurement]]:
            check_inputs(self.inputs, inputs)
            watch.start()
            outputs, now = self._run(context, state, inputs)
            return outputs, now, watch.measured(self.code)

        return run
