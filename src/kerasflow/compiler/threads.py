"""The thread policy: how many threads the linear algebra library (BLAS) behind NumPy may use.

Programs are single Python functions; what runs in parallel is BLAS's matrix
products. By default BLAS uses every core that this process may use. Two facts
make the choice matter: a container's CPU quota is invisible to BLAS, and BLAS
threads that must share a core with another process wait for each other so
badly that one thread is several times faster. So the quota is respected, and
`KERASFLOW_THREADS=1` is the right setting beside other work.
"""

from __future__ import annotations

import math
import os
from pathlib import Path

from kerasflow.config import settings

_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def quota() -> int | None:
    """The number of cores that a Linux container's quota allows, rounded up; None without one."""
    try:
        limit, period = _QUOTA.read_text().split()
    except (OSError, ValueError):
        return None
    return None if limit == "max" else max(1, math.ceil(int(limit) / int(period)))


def limit_threads() -> None:
    """Apply the policy to this process: `KERASFLOW_THREADS`, else the container's quota if it is below the cores."""
    wanted = settings.threads
    if wanted is None:
        allowed = quota()
        if allowed is None or allowed >= (os.cpu_count() or 1):
            return
        wanted = allowed
    from threadpoolctl import threadpool_limits

    threadpool_limits(limits=wanted, user_api="blas")
