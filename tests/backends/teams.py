"""What tests of teams of local ranks share: what they ask of them, and of their processes."""

from __future__ import annotations

import pickle
import time
from pathlib import Path
from typing import Any

from ranks import Rank

from kerasflow_numpy.team.team import Team


def processes(some: Team) -> list[int]:
    return [process.pid for process in some._children._processes]


def ended(pid: int) -> bool:
    """Whether a process has ended; of one that nobody has asked about since, too."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


def soon_ended(pids: list[int], seconds: float = 5.0) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if all(map(ended, pids)):
            return True
        time.sleep(0.005)
    return False


def run(some: Team, rank: Rank, *places: Any, key: int = 1) -> Any:
    """Load an object into all ranks, and call it; what it returns here."""
    with some.lock:
        some.load(key, pickle.dumps(rank))
        if places:
            some.tell(key, *places)
        return some.run(key, rank)


def works(some: Team) -> bool:
    reports = run(some, Rank("report", expression="group.rank"), key=9)
    return [int(report) for report in reports] == list(range(some.size))
