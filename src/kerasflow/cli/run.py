"""`kerasflow run`: a program on several processes of this machine, or of those that the launcher is told of."""

from __future__ import annotations

import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence

from kerasflow.errors import RankError

# Open MPI asks to be told that a container's root is meant, and that ranks may be more than cores; others do not ask.
_OPEN_MPI = {
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "PRTE_ALLOW_RUN_AS_ROOT": "1",
    "PRTE_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
}


def launch(processes: int, program: Sequence[str], all_output: bool = False, launcher: str = "") -> int:
    """Start a program on so many processes, wait for it, and give its exit code. (Where processes can become others,
    this one becomes the launcher, so that signals reach it.)

    Args:
        program: a script or `-m module`, and its arguments.
        launcher: the command that starts them, with options of its own; by default `mpiexec`.

    Raises:
        RankError: mpi4py or the launcher is missing.
    """
    words = shlex.split(launcher) or ["mpiexec"]
    found = _beside_python(words[0]) or shutil.which(words[0])
    missing = [
        name
        for name, there in (("mpi4py", importlib.util.find_spec("mpi4py")), (words[0], found))
        if not there
    ]
    if missing or found is None:
        raise RankError(
            f"{' and '.join(missing)} {'are' if len(missing) > 1 else 'is'} not installed. "
            'Install mpi4py and a launcher with: pip install "kerasflow[mpi]"'
        )
    options = ["--data-parallel", *(["--all-output"] if all_output else [])]
    python = [sys.executable, "-m", "kerasflow", *options, *program]
    command = [found, *words[1:], "-n", str(processes), *python]
    sys.stdout.flush()
    if os.name == "posix":
        os.execve(found, command, {**_OPEN_MPI, **os.environ})
    return subprocess.run(command, env={**_OPEN_MPI, **os.environ}).returncode


def _beside_python(name: str) -> str | None:
    """The launcher that pip has installed with this Python."""
    return shutil.which(name, path=os.path.dirname(sys.executable))
