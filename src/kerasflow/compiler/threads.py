"""The thread policy: how many threads a program may use.

By default as many as there are cores that this process may run on (a
container's CPU quota counts), at most eight; ranks of a group on one machine
share its cores out. `KERASFLOW_THREADS` sets another number, for each rank. The
last bits of large matrix products depend on the number, so runs that must agree
to the bit need the same one.
"""

from __future__ import annotations

import math
import os
from pathlib import Path

from kerasflow._settings import settings
from kerasflow.groups import current_group

# More threads than this bring nothing to programs whose every operation is a Python call.
MOST = 8

_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def quota() -> int | None:
    """The number of cores that a Linux container's quota allows, rounded up; None without one."""
    try:
        limit, period = _QUOTA.read_text(encoding="utf-8").split()
    except (OSError, ValueError):
        return None
    return None if limit == "max" else max(1, math.ceil(int(limit) / int(period)))


def threads() -> int:
    """How many threads a program may use."""
    if settings.threads is not None:
        return settings.threads
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    return min(max(min(cores, quota() or cores) // current_group().neighbours, 1), MOST)
