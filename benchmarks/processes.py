"""What several processes bring a training on one machine: the programs on one core, on threads, and on processes.

    python benchmarks/processes.py [mlp cnn lstm attention resnet] [--repeat N] [--epochs N] [--cores N]

Every round runs each program once in each of the ways, so that a machine that grows warm or busy does so for all; the
table has the medians over the rounds. Memory is that of all processes of a program together, each shared page once
(proportional set size, Linux).

The last way, "parts", is what could be hoped for: as many processes as cores at the same time that know nothing of each
other, each with its part of every batch. Nothing is exchanged and nobody waits, but each updates all weights.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from compare import PROGRAMS, default_data, say, steady
from contestants import machine, table

from kerasflow.compiler.threads import threads

# What runs a program in one of the ways: the NumPy backend is told how many cores it may use, and how.
WAYS = {"one core": (1, 1), "threads": (0, 1), "processes": (0, 0), "parts": (1, 1)}
RUN = """
import runpy, sys
import kerasflow
from kerasflow.compiler import current_backend
threads, processes, sys.argv = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
backend = current_backend("numpy")
backend.threads, backend.processes = threads or backend.threads, processes or backend.processes
sys.path.insert(0, sys.argv[0].rpartition("/")[0])
runpy.run_path(sys.argv[0], run_name="__main__")
"""
# Seconds between two looks at the memory.
_PAUSE = 0.25

Report = dict[str, Any]


def main() -> int:
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as scratch:
        data = arguments.data or default_data(Path(scratch))
        rows = [row for program in arguments.program for row in _compare(program, data, arguments)]
    header = ["program", "first epoch", "steady epoch", "/ threads", "/ one core", "memory", "/ threads"]
    print(f"Medians of {arguments.repeat} alternating rounds. {machine()}.\n")
    print(table(header, rows))
    return 0


def _arguments() -> argparse.Namespace:
    programs = ("mlp", "cnn", "lstm", "attention", "resnet")
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("program", nargs="*", default=programs, metavar="program", help=", ".join(programs))
    parser.add_argument("--repeat", type=int, default=3, metavar="N", help="rounds (default: 3)")
    parser.add_argument("--epochs", type=int, default=4, metavar="N", help="epochs a run (default: 4)")
    parser.add_argument("--cores", type=int, metavar="N", help="how many cores are used (default: all)")
    parser.add_argument(
        "--data", type=Path, metavar="FILE.npz", help="MNIST (default: as kerasflow finds it)"
    )
    return parser.parse_args()


def _compare(program: str, data: Path, arguments: argparse.Namespace) -> list[list[str]]:
    """The rows of one program."""
    reports: dict[str, list[Report]] = {way: [] for way in WAYS}
    for turn in range(arguments.repeat):
        for way in WAYS:
            parts = _parts(reports["one core"][0]["batch_size"], arguments) if way == "parts" else [()]
            report = _together([_Run(program, way, data, turn, arguments, options) for options in parts])
            reports[way].append(report)
            say(
                f"{program}, round {turn + 1}, {way}: epochs {[round(s, 2) for s in report['epoch_seconds']]}"
            )

    def median(way: str, of: Any) -> float:
        return statistics.median(map(of, reports[way]))

    rows = []
    for way in WAYS:
        seconds, memory = median(way, steady), median(way, lambda report: report["memory"])
        rows.append(
            [
                f"{program}, {way}",
                f"{median(way, lambda report: report['epoch_seconds'][0]):.2f} s",
                f"{seconds:.2f} s",
                f"{seconds / median('threads', steady):.2f}",
                f"{seconds / median('one core', steady):.2f}",
                f"{memory / 1e6:.0f} MB",
                f"{memory / median('threads', lambda report: report['memory']):.2f}",
            ]
        )
    return rows


def _parts(batch_size: int, arguments: argparse.Namespace) -> list[tuple[str, ...]]:
    """The options of programs that have a part of each batch each."""
    cores = arguments.cores or threads()
    return [("--batch-size", str(batch_size // cores))] * cores


def _together(runs: list[_Run]) -> Report:
    """The report of runs that have begun at the same time; their epochs, one part of each batch a step, as one's."""
    reports = [run.report() for run in runs]
    epochs = zip(*(report["epoch_seconds"] for report in reports), strict=True)
    return {
        **reports[0],
        "epoch_seconds": [statistics.mean(seconds) / len(runs) for seconds in epochs],
        "memory": sum(report["memory"] for report in reports),
    }


class _Run:
    """A run in a process of its own, and the most memory that it and what it starts have held together."""

    def __init__(
        self,
        program: str,
        way: str,
        data: Path,
        seed: int,
        arguments: argparse.Namespace,
        options: tuple[str, ...],
    ) -> None:
        self._name = f"{program}, {way}"
        cores = {"KERASFLOW_THREADS": str(arguments.cores)} if arguments.cores else {}
        command = [sys.executable, "-c", RUN, *map(str, WAYS[way]), str(PROGRAMS / f"{program}.py")]
        command += ["--data", str(data), "--epochs", str(arguments.epochs), "--seed", str(seed), *options]
        environment = {**os.environ, **cores, "BENCHMARK_START": repr(time.time())}
        self._process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self._memory = [0]
        self._watch = threading.Thread(target=_watch, args=(self._process, self._memory), daemon=True)
        self._watch.start()

    def report(self) -> Report:
        """What the program says at its end."""
        out, errors = self._process.communicate()
        if self._process.returncode:
            raise SystemExit(f"{self._name} failed:\n{errors}")
        self._watch.join()
        report: Report = json.loads(out.splitlines()[-1])
        return {**report, "memory": self._memory[0]}


def _watch(process: subprocess.Popen[str], most: list[int]) -> None:
    while process.poll() is None:
        most[0] = max(most[0], sum(map(_pss, _family(process.pid))))
        time.sleep(_PAUSE)


def _family(pid: int) -> list[int]:
    """A process and all that it has started."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return [pid]
    return [pid, *(found for child in children for found in _family(int(child)))]


def _pss(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)


if __name__ == "__main__":
    sys.exit(main())
