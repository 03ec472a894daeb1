"""Runs suites that are not ours in pytest processes of their own, on kerasflow or on a backend of Keras's own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent


def run_pytest(
    arguments: Sequence[str],
    root: Path,
    backend: str,
    *,
    workers: int,
    seconds: int,
    results: Path | None = None,
    log: Any = None,
) -> list[dict[str, Any]]:
    """Run tests under the plugin `on_backend`.

    Args:
        arguments: for pytest: what to run, and options.
        root: the folder that tests are named from.
        backend: `kerasflow`, or one of Keras's own.
        workers: how many processes run tests. seconds: how long one test may take.
        results: a file that gets each test's result as it comes; one that is thrown away by default.
        log: where pytest's output goes.

    Returns:
        For each test its name, outcome (passed, skipped, xfailed, failed), reason and seconds.

    Raises:
        RuntimeError: if the run did not come to its end.
    """
    with tempfile.TemporaryDirectory() as folder:
        results = results or Path(folder) / "results.jsonl"
        results.write_text("")
        environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "KERAS", "COV_"))},
            "KERAS_HOME": str(Path(folder) / "keras"),
            "KERAS_SUITE_BACKEND": backend,
            "KERAS_SUITE_RESULTS": str(results.resolve()),
            "KERAS_SUITE_SECONDS": str(seconds),
            "CUDA_VISIBLE_DEVICES": "-1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": os.pathsep.join(filter(None, [str(HERE), os.environ.get("PYTHONPATH")])),
            "TF_CPP_MIN_LOG_LEVEL": "3",
            # The workers share the cores.
            "KERASFLOW_THREADS": "1",
            "OMP_NUM_THREADS": "1",
        }
        command = [
            *(sys.executable, "-m", "pytest", "-c", os.devnull, f"--rootdir={root}"),
            *("-p", "on_backend", "-p", "no:cacheprovider", "-q", "--tb=short", "-W", "ignore"),
            *("-n", str(workers), "--dist", "worksteal", "--max-worker-restart", "50"),
            *arguments,
        ]
        finished = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        if finished.returncode not in (0, 1):
            raise RuntimeError(f"the suite did not come to its end: pytest ended with {finished.returncode}")
        return read(results)


def read(results: Path) -> list[dict[str, Any]]:
    """The results in a file of one line of JSON for each, one for each test."""
    return one_each(json.loads(line) for line in results.read_text().splitlines())


def one_each(reports: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """One result for each test: those that have subtests are reported several times, and fail if one of these does."""
    found: dict[str, dict[str, Any]] = {}
    for report in reports:
        if report["test"] not in found or report["outcome"] == "failed":
            found[report["test"]] = report
    return list(found.values())
