"""Programs that run in a process of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path


def run(program: str, folder: Path) -> str:
    """What a program prints; it works in the folder, which comes before the installed packages."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("KERAS")}
    environment["PYTHONPATH"] = os.pathsep.join(
        [str(folder), *environment.get("PYTHONPATH", "").split(os.pathsep)]
    )
    environment["KERAS_HOME"] = str(folder)
    environment["MPLBACKEND"] = "agg"
    finished = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=900,  # on a loaded machine an import of TensorFlow alone takes minutes
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout.strip()
