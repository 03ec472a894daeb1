"""What the differences between runs mean: agreement, rounding that grows, or a disagreement.

Two backends round differently at every step, and a training makes more of it: after some epochs losses differ in digits
that matter, though nothing is wrong. How much a training makes of rounding it shows itself: the first backend runs it
once more, its weights changed in the last digits after the first step of each `fit` (`child.Nudging`). What is within
`FACTOR` times as far apart as these two runs of one backend is drift.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from kerasflow.cli.compare.differences import Difference

# Every step of another backend rounds differently, the weights are changed once: so many times as far it may be.
FACTOR = 10

AGREE, DRIFT, DISAGREE = "agree", "drift", "disagree"


@dataclass(frozen=True)
class Verdict:
    """What is to be said of several runs.

    Attributes:
        kind: one of `AGREE`, `DRIFT`, `DISAGREE`.
        difference: the largest one where they agree; the first beyond the tolerance where they drift apart; the first
            that is more than drift where they disagree.
        own: how far the first backend's own two runs are apart up to there; None if there was no second.
    """

    kind: str
    difference: Difference
    own: float | None = None


def beyond(found: Sequence[Difference], tolerance: float) -> list[Difference]:
    """The differences that are larger than the tolerance."""
    return [d for d in found if d.relative > tolerance]


def may_be_drift(differences: Sequence[Difference]) -> bool:
    """Whether a second run of the first backend can explain them. Numbers that are missing, or NaN, it cannot."""
    return bool(differences) and all(math.isfinite(d.relative) for d in differences)


def judge(found: Sequence[Difference], tolerance: float, own: Sequence[Difference] | None = None) -> Verdict:
    """The verdict on differences, of which there is at least one.

    Args:
        own: those between the first backend's two runs, if there are two.
    """
    large = beyond(found, tolerance)
    if not large:
        return Verdict(AGREE, max(found, key=lambda d: d.relative))
    if own is None:
        return Verdict(DISAGREE, large[0])

    def reach(difference: Difference) -> float:
        """How far the two runs are apart up to an epoch, in whatever is measured."""
        place = (difference.fit, difference.epoch)
        return max((d.relative for d in own if (d.fit, d.epoch) <= place), default=0.0)

    more = next((d for d in large if d.relative > FACTOR * reach(d)), None)
    return Verdict(DRIFT if more is None else DISAGREE, more or large[0], reach(more or large[0]))
