"""Which of the slow tests a run takes: a part that changes from commit to commit, so that none is forgotten.

`python -m pytest` runs all other tests and that part; `-m slow` all slow ones, `-m "not slow"` none of them. What is
named (`file.py::test`) runs in any case.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

PARTS = 8

T = TypeVar("T")


def turn(folder: Path = Path(__file__).parent) -> int:
    """The number of the part whose turn it is: that of the commits up to now, counted around; without a history 0."""
    command = ["git", "-C", str(folder), "rev-list", "--count", "HEAD"]
    try:
        counted = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return 0
    return int(counted) % PARTS


def part(slow: Sequence[T], number: int) -> list[T]:
    """Every eighth, so that a part has something of each kind; all parts together are the whole."""
    return list(slow[number::PARTS])
