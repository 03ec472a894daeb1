"""Environments of their own for other versions of Keras: theirs comes before the one that is installed.

All else (NumPy and the rest) is the same for all. Keras's tests, which not all wheels have, are the installed one's.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kerasflow.bridge.versions import keras_version

NIGHTLY = "nightly"


def install(wanted: str, folder: Path) -> None:
    """Puts Keras of that version, and nothing else, into `folder`; skips the test if there is no package index."""
    requirement = ["--pre", "keras-nightly"] if wanted == NIGHTLY else [f"keras=={wanted}"]
    command = [
        *(
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-deps",
            "--retries",
            "2",
            "--timeout",
            "30",
        ),
        *("--target", str(folder), *requirement),
    ]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=600)
    if re.search(r"from versions: none", finished.stderr):  # not even one: nobody answered
        pytest.skip(f"the package index cannot be reached, so Keras {wanted} cannot be had")
    assert finished.returncode == 0, finished.stderr


class Environment:
    """What programs run in.

    Args:
        packages: a folder with a Keras; None for the one that is installed.
        home: a folder for what programs leave.
    """

    def __init__(self, packages: Path | None, home: Path) -> None:
        self.packages, self.home = packages, home
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("KERAS", "PYTEST_"))}
        path = [str(packages), os.environ.get("PYTHONPATH", "")] if packages else []
        self.variables = {
            **kept,
            "KERAS_HOME": str(home / "keras_home"),
            **({"PYTHONPATH": os.pathsep.join(filter(None, path))} if path else {}),
        }

    @property
    def version(self) -> str:
        """Its Keras's."""
        return keras_version(self.packages and self.packages / "keras")

    def run(self, *arguments: str | Path, seconds: int = 1800) -> subprocess.CompletedProcess[str]:
        """Python with these arguments; what it says comes back in one text."""
        return subprocess.run(
            [sys.executable, *map(str, arguments)],
            cwd=self.home,
            env=self.variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=seconds,
        )

    def bring_tests(self, source: Path) -> None:
        """Lay Keras's tests beside its modules.

        Args:
            source: the folder of another Keras that has them.
        """
        assert self.packages is not None
        for file in source.rglob("*_test.py"):
            place = self.packages / "keras" / file.relative_to(source)
            if place.parent.is_dir() and not place.exists():
                shutil.copyfile(file, place)
