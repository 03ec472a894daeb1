"""Work in fresh Python processes: a module that is given a job as JSON and leaves its result as JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Finished:
    """A process that has ended.

    Attributes:
        result: what the job's function returned; None if the process ended before.
        code: its exit code; negative the number of the signal that ended it.
        output: what it wrote on its output and error streams; "" if that was shown.
        seconds: from its start to its end.
    """

    result: Any
    code: int
    output: str
    seconds: float


def run_job(
    module: str,
    job: Mapping[str, Any],
    arguments: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    show: bool = False,
) -> Finished:
    """Run `python -m module` on a job, to its end; what it reads from its input stream is empty.

    Args:
        module: calls `serve_job` when it is run.
        job: what JSON can say.
        arguments: more arguments, as text.
        environment: variables beside this process's.
        show: let the process write to this one's streams.
    """
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "result.json"
        begun = time.perf_counter()
        process = subprocess.run(
            [sys.executable, "-m", module, str(place), json.dumps(job), *arguments],
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=None if show else subprocess.PIPE,
            stderr=None if show else subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        )
        seconds = time.perf_counter() - begun
        result = json.loads(place.read_text(encoding="utf-8")) if place.exists() else None
    return Finished(result, process.returncode, process.stdout or "", seconds)


def serve_job(function: Callable[[dict[str, Any], list[str]], Any]) -> None:
    """In a process that `run_job` has started: keep what the function makes of the job and the other arguments."""
    place, job, *arguments = sys.argv[1:]
    result = json.dumps(function(json.loads(job), arguments))
    draft = Path(f"{place}.draft")
    draft.write_text(result, encoding="utf-8")
    draft.replace(place)
