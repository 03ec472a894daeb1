"""What several processes bring a training on one machine: the programs on one core, on threads, and on processes.

    python benchmarks/processes.py [mlp cnn lstm attention resnet] [--repeat N] [--epochs N] [--cores N]

Every round runs each program once in each of the three ways, so that a machine that grows warm or busy does so for all;
the table has the medians over the rounds. Memory is that of all processes of a program together, each shared page once
(proportional set size, Linux).
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

# What runs a program in one of the ways: the NumPy backend is told how many cores it may use, and how.
WAYS = {"one core": (1, 1), "threads": (0, 1), "processes": (0, 0)}
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
            report = _run(program, way, data, turn, arguments)
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


def _run(program: str, way: str, data: Path, seed: int, arguments: argparse.Namespace) -> Report:
    """One run in a process of its own, and the most memory that it and what it starts have held together."""
    threads, processes = WAYS[way]
    cores = {"KERASFLOW_THREADS": str(arguments.cores)} if arguments.cores else {}
    options = ["--data", str(data), "--epochs", str(arguments.epochs), "--seed", str(seed)]
    command = [
        sys.executable,
        "-c",
        RUN,
        str(threads),
        str(processes),
        str(PROGRAMS / f"{program}.py"),
        *options,
    ]
    environment = {**os.environ, **cores, "BENCHMARK_START": repr(time.time())}
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    memory = [0]
    watch = threading.Thread(target=_watch, args=(process, memory), daemon=True)
    watch.start()
    out, errors = process.communicate()
    if process.returncode:
        raise SystemExit(f"{program}, {way} failed:\n{errors}")
    watch.join()
    report: Report = json.loads(out.splitlines()[-1])
    return {**report, "memory": memory[0]}


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
