"""Where the losses and metrics of several runs differ."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from kerasflow.cli.compare.runs import Epoch, Fit, Run

# A number that is smaller than this counts as this much: what is left of a loss of 0 is rounding.
SMALLEST = 1e-6


@dataclass(frozen=True)
class Difference:
    """What two runs have at the same place.

    Attributes:
        fit, epoch: counted from 1.
        metric: its name. backend: that of the second run.
        reference, value: the number of the first run, and of the second; None where a run has none.
        relative: their difference, divided by the larger one's absolute value; infinite where one is missing.
    """

    fit: int
    epoch: int
    metric: str
    backend: str
    reference: float | None
    value: float | None

    @property
    def relative(self) -> float:
        a, b = self.reference, self.value
        if a is None or b is None:
            return math.inf
        if a == b or (math.isnan(a) and math.isnan(b)):
            return 0.0
        relative = abs(a - b) / max(abs(a), abs(b), SMALLEST)
        return relative if math.isfinite(relative) else math.inf


def differences(runs: Sequence[Run]) -> Iterator[Difference]:
    """Each other run beside the first, at each fit, epoch and metric that any of them has, in this order."""
    for i, fits in enumerate(zip_longest(*(run.fits for run in runs), fillvalue=Fit("", []))):
        for k, epochs in enumerate(zip_longest(*(fit.epochs for fit in fits), fillvalue=Epoch(0, {}))):
            for metric in dict.fromkeys(name for epoch in epochs for name in epoch.logs):
                reference, *others = (epoch.logs.get(metric) for epoch in epochs)
                for run, value in zip(runs[1:], others, strict=True):
                    yield Difference(i + 1, k + 1, metric, run.backend, reference, value)
