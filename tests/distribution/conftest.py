"""Programs on several processes, started by a real `mpiexec`."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from launched import LIMIT, MPIEXEC, PROGRAMS, Launch, Ran, environment


@pytest.fixture
def launch(tmp_path: Path) -> Launch:
    """Runs a program on so many processes, in a folder of its own; "alone" runs it without a launcher."""

    def started(
        processes: int | str,
        program: str,
        *arguments: object,
        options: tuple[str, ...] = ("-m", "kerasflow", "--data-parallel"),
        code: int = 0,
        env: Mapping[str, str] | None = None,
    ) -> Ran:
        if processes == "alone":
            command = [sys.executable, "-m", "kerasflow"]
        else:
            if MPIEXEC is None or importlib.util.find_spec("mpi4py") is None:
                pytest.skip('needs mpi4py and mpiexec: pip install "kerasflow[mpi]"')
            command = [MPIEXEC, "-n", str(processes), sys.executable, *options]
        done = subprocess.run(
            [*command, str(PROGRAMS / program), *map(str, arguments)],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=environment(**env or {}),
            timeout=LIMIT,
        )
        if code >= 0:
            assert done.returncode == code, f"{done.stdout}\n{done.stderr}"
        return done

    return started
