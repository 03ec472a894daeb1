"""Starts a Keras program on a backend in a fresh process, and brings back what was seen there."""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from kerasflow.cli.processes import Finished, run_job
from kerasflow.errors import ComparisonError

_CHILD = "kerasflow.cli.compare.child"


@dataclass(frozen=True)
class Epoch:
    """One epoch: its seconds, validation included, and its losses and metrics by name."""

    seconds: float
    logs: dict[str, float]


@dataclass(frozen=True)
class Fit:
    """One `fit`: the name of its model, and its epochs."""

    model: str
    epochs: list[Epoch]

    def value(self, epoch: int, metric: str) -> float | None:
        """A metric at an epoch, counted from 1 in this `fit`; None if it has no such epoch or metric."""
        return self.epochs[epoch - 1].logs.get(metric) if epoch <= len(self.epochs) else None

    @property
    def first(self) -> float | None:
        """The seconds of the first epoch, in which programs are compiled."""
        return self.epochs[0].seconds if self.epochs else None

    @property
    def steady(self) -> float | None:
        """The median of the later epochs' seconds."""
        return statistics.median(e.seconds for e in self.epochs[1:]) if len(self.epochs) > 1 else None


@dataclass(frozen=True)
class Run:
    """A program's run on one backend.

    Attributes:
        fits: in the order in which they began.
        single_steps: how often `train_on_batch` was called; those losses are not recorded.
        seconds: from the start of the process to its end.
        peak: the most memory that the process held at once, in bytes; None where the system does not tell.
    """

    backend: str
    fits: list[Fit]
    single_steps: int
    seconds: float
    peak: int | None


@dataclass(frozen=True)
class InStepRun:
    """A program's run on two backends in step.

    Attributes:
        programs, compared: how many programs were compiled, how many operations compared.
        disagreement: the first one, in words; None if there was none.
        seconds: from the start of the process to its end.
    """

    programs: int
    compared: int
    disagreement: str | None
    seconds: float


def run(
    backend: str,
    command: Sequence[str],
    *,
    seed: int = 0,
    show: bool = False,
    nudged: bool = False,
    told: Callable[[str], None] | None = None,
) -> Run:
    """Run a program on a backend.

    Args:
        command: the script and its arguments.
        seed: of Python's, NumPy's and Keras's generators, unless the program sets them itself.
        show: let the program write to this process's streams.
        nudged: change the weights in the last digits after the first step of each `fit`.
        told: is called with a line about each epoch, when it ends.

    Raises:
        ComparisonError: with the program's output, if it fails; or if no `fit` in it has ended an epoch.
    """
    job = {"seed": seed, "in_step": None, "tolerance": None, "nudged": nudged}
    finished = _finished(backend, backend, command, job, show, told)
    fits = [Fit(fit["model"], [Epoch(**epoch) for epoch in fit["epochs"]]) for fit in finished.result["fits"]]
    if not any(epoch.logs for fit in fits for epoch in fit.epochs):
        raise ComparisonError(
            f"{command[0]} trains nothing that can be compared: no `fit` ended an epoch. Losses of `train_on_batch` "
            "and of loops with a tape are not seen."
        )
    return Run(backend, fits, finished.result["single_steps"], finished.seconds, finished.result["peak"])


def run_in_step(
    backends: Sequence[str],
    command: Sequence[str],
    *,
    tolerance: float | None = None,
    seed: int = 0,
    show: bool = False,
    told: Callable[[str], None] | None = None,
) -> InStepRun:
    """Run a program on two backends in step (`kerasflow.debug_backends`); the arguments are as `run`'s."""
    job = {"seed": seed, "in_step": list(backends), "tolerance": tolerance, "nudged": False}
    finished = _finished(" and ".join(backends), backends[0], command, job, show, told)
    found = finished.result
    return InStepRun(found["programs"], found["compared"], found["disagreement"], finished.seconds)


def _finished(
    label: str,
    backend: str,
    command: Sequence[str],
    job: dict[str, Any],
    show: bool,
    told: Callable[[str], None] | None = None,
) -> Finished:
    # The order of sets must not be one more difference.
    environment = {"KERASFLOW_BACKEND": backend, "PYTHONHASHSEED": os.environ.get("PYTHONHASHSEED", "0")}
    finished = run_job(_CHILD, job, command, environment, show, told)
    if finished.result is None or finished.code:
        said = f":\n{finished.output.rstrip()}" if finished.output else ""
        raise ComparisonError(f"{command[0]} failed on {label}, with exit code {finished.code}{said}")
    return finished
