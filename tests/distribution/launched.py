"""What tests of launched programs share: where the programs are, and what they run in."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

PROGRAMS = Path(__file__).parent / "programs"
MPIEXEC = shutil.which("mpiexec", path=os.path.dirname(sys.executable)) or shutil.which("mpiexec")
# Nothing may hang: what has not ended by then is killed, and with the launcher all that it has started.
LIMIT = 240

Ran = subprocess.CompletedProcess[str]
Launch = Callable[..., Ran]


def environment(**more: str) -> dict[str, str]:
    """One thread a process: the bits of large products depend on that number."""
    return {**os.environ, "KERASFLOW_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3", **more}
