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

_PAUSE = 0.1  # seconds between two looks at what a process has told
_served: list[str] = []  # in a process that serves a job: the place of its result


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
    told: Callable[[str], None] | None = None,
) -> Finished:
    """Run `python -m module` on a job, to its end; what it reads from its input stream is empty.

    Args:
        module: calls `serve_job` when it is run.
        job: what JSON can say.
        arguments: more arguments, as text.
        environment: variables beside this process's.
        show: let the process write to this one's streams.
        told: is called with each line that the process tells (`tell`), while it runs.
    """
    with tempfile.TemporaryDirectory() as folder:
        place, output = Path(folder) / "result.json", Path(folder) / "output"
        begun = time.perf_counter()
        with output.open("wb") as stream:
            process = subprocess.Popen(
                [sys.executable, "-m", module, str(place), json.dumps(job), *arguments],
                env={**os.environ, **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=None if show else stream,
                stderr=None if show else subprocess.STDOUT,
            )
            try:
                code = _followed(process, _telling(place), told)
            except BaseException:
                process.kill()
                process.wait()
                raise
        seconds = time.perf_counter() - begun
        result = json.loads(place.read_text(encoding="utf-8")) if place.exists() else None
        return Finished(result, code, output.read_text(encoding="utf-8", errors="replace"), seconds)


def _followed(process: subprocess.Popen[bytes], telling: Path, told: Callable[[str], None] | None) -> int:
    """The exit code of a process, whose lines are passed on until then."""
    if told is None:
        return process.wait()
    passed = 0
    while True:
        code = process.poll()
        lines = telling.read_text(encoding="utf-8").splitlines(keepends=True) if telling.exists() else []
        for line in lines[passed:]:
            if line.endswith("\n"):
                told(line.rstrip("\n"))
                passed += 1
        if code is not None:
            return code
        time.sleep(_PAUSE)


def _telling(place: Path | str) -> Path:
    """The file for what is told, beside that of the result."""
    return Path(f"{place}.told")


def tell(line: str) -> None:
    """In a process that `run_job` has started: tell who has started it a line."""
    with _telling(_served[0]).open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")


def serve_job(function: Callable[[dict[str, Any], list[str]], Any]) -> None:
    """In a process that `run_job` has started: keep what the function makes of the job and the other arguments."""
    place, job, *arguments = sys.argv[1:]
    _served.append(place)
    result = json.dumps(function(json.loads(job), arguments))
    draft = Path(f"{place}.draft")
    draft.write_text(result, encoding="utf-8")
    draft.replace(place)
