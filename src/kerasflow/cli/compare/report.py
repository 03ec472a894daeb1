"""The comparison as plain text: one table, at most 100 columns wide for up to five backends, and a verdict."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from kerasflow.cli.compare.differences import Difference
from kerasflow.cli.compare.runs import Fit, Run
from kerasflow.cli.compare.verdict import AGREE, DRIFT, Verdict
from kerasflow.graph import printable
from kerasflow.text import shortened, table

# Of a long training so many epochs are shown, from its beginning and from its end.
_SHOWN = 10
_LABEL = 34  # the most columns of the first column

Row = list[str]


def as_text(
    runs: Sequence[Run], found: Sequence[Difference], tolerance: float, verdict: Verdict, in_step: str = ""
) -> str:
    """Losses by epoch, the largest differences, seconds, memory, and the verdict.

    Args:
        runs: of one program, two or more; the others are compared with the first.
        found: their differences; at least one.
        tolerance: up to which relative difference numbers agree.
        in_step: the command that looks for the operation, where they do not agree.
    """
    blank = [""] * (len(runs) + 2)
    rows: list[Row] = []
    for i in range(max(len(run.fits) for run in runs)):
        here = [d for d in found if d.fit == i + 1]
        fits = [run.fits[i] if i < len(run.fits) else None for run in runs]
        model = next((fit.model for fit in fits if fit), "")
        heading = shortened(f"fit {i + 1} of {model}" if model else f"fit {i + 1}", _LABEL)
        rows.append([heading, *(run.backend for run in runs), "difference"])
        if here:
            rows += [*_by_epoch(fits, here), blank, *_largest(fits, here), blank]
        rows.append(["first epoch, seconds", *(_seconds(fit.first if fit else None) for fit in fits), ""])
        rows.append(["later epochs, median", *(_seconds(fit.steady if fit else None) for fit in fits), ""])
        rows.append(blank)
    rows.append(["whole program, seconds", *(_seconds(run.seconds) for run in runs), ""])
    peaks = ["-" if run.peak is None else f"{run.peak / 1e6:.0f} MB" for run in runs]
    rows.append(["peak memory", *peaks, ""])
    paragraphs = [table(rows)]
    steps = max(run.single_steps for run in runs)
    if steps:
        paragraphs.append(
            f"`train_on_batch` was called {steps} times: the losses of steps outside of `fit` are not compared."
        )
    many = len({d.fit for d in found}) > 1
    paragraphs.append(_said(runs[0].backend, verdict, tolerance, many))
    if verdict.kind != AGREE and in_step:
        paragraphs.append(f"Whether an operation is to blame, and which:\n    {in_step}")
    return "\n\n".join(paragraphs)


def _by_epoch(fits: Sequence[Fit | None], found: Sequence[Difference]) -> Iterator[Row]:
    """The loss of each epoch; of a model without a loss its first metric."""
    names = [d.metric for d in found]
    metric = "loss" if "loss" in names else names[0]
    count = max(d.epoch for d in found)
    for epoch in range(1, count + 1):
        if count <= 2 * _SHOWN + 1 or epoch <= _SHOWN or epoch > count - _SHOWN:
            yield _row(f"{metric}, epoch {epoch}", fits, found, metric, epoch)
        elif epoch == _SHOWN + 1:
            yield ["…", *("" for _ in fits), ""]


def _largest(fits: Sequence[Fit | None], found: Sequence[Difference]) -> Iterator[Row]:
    """For each metric the epoch at which the backends differ most."""
    yield ["largest differences", *("" for _ in fits), ""]
    for metric in dict.fromkeys(d.metric for d in found):
        worst = max((d for d in found if d.metric == metric), key=lambda d: d.relative)
        yield _row(f"{metric}, epoch {worst.epoch}", fits, found, metric, worst.epoch)


def _row(label: str, fits: Sequence[Fit | None], found: Sequence[Difference], metric: str, epoch: int) -> Row:
    """A metric's value at an epoch on each backend, and the largest difference."""
    values = [fit.value(epoch, metric) if fit else None for fit in fits]
    relative = max((d.relative for d in found if (d.epoch, d.metric) == (epoch, metric)), default=0.0)
    return [shortened(label, _LABEL), *map(_number, values), _relative(relative)]


def _said(reference: str, verdict: Verdict, tolerance: float, many: bool) -> str:
    """The verdict, in words.

    Args:
        many: whether there are several fits.
    """
    d = verdict.difference
    where = f"{f'fit {d.fit}, ' if many else ''}epoch {d.epoch}, `{printable(d.metric)}`"
    if verdict.kind == AGREE:
        return (
            f"They agree: the largest relative difference is {_relative(d.relative)} ({where}), "
            f"tolerance {tolerance:g}."
        )
    values = (
        f"first at {where}: {reference} {_number(d.reference, 8)}, {d.backend} {_number(d.value, 8)}\n"
        f"(relative difference {_relative(d.relative)}, tolerance {tolerance:g})."
    )
    own = "" if verdict.own is None else _relative(verdict.own)
    if verdict.kind == DRIFT:
        return (
            f"They drift apart, {values}\nThat is rounding, which this training makes grow: {reference} itself, its "
            f"weights changed in the\nlast digits after the first step, comes to {own} by then."
        )
    more = (
        f"\nIt is more than rounding: {reference} itself, its weights changed in the last digits after the\n"
        f"first step, comes to {own} by then."
    )
    return f"They disagree, {values}{more if own else ''}"


def _number(x: float | None, digits: int = 6) -> str:
    return "-" if x is None else f"{x:.{digits}g}"


def _relative(x: float) -> str:
    return "-" if math.isinf(x) else f"{x:.1e}" if x else "0"


def _seconds(x: float | None) -> str:
    return "-" if x is None else f"{x:.2f}"
