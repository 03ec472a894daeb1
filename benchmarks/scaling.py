"""How a training scales over the processes of an MPI job: measured on this machine, predicted for many.

    python benchmarks/scaling.py [mlp cnn lstm attention resnet] [--processes 1,2,4] [--repeat N]
                                 [--latency SECONDS] [--bandwidth BYTES] [--weak]

The prediction is a model on paper. A step of one process takes C seconds. N processes take, each for its rows,

    T(N) = C / N + M * L * ceil(log2 N) + 2 * B * (N - 1) / N / W

where the step has M meetings, in which each rank gives B bytes in all; L is the time that a message takes to the next
machine (the latency), W what a link carries in a second (the bandwidth). A meeting takes as many rounds as N has binary
digits; of its bytes each rank sends and receives its part twice, once to add up and once to give all their sums. That
is for one batch that is shared out (strong scaling). If the batch grows with N, C / N is C (weak scaling).
C, M and B come from the program itself, as `kerasflow.profile` has them.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from compare import PROGRAMS, default_data, say, steady
from contestants import machine, table

COUNTS = (2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
# Prints what the model needs to know of a program's training step, and ends.
FACTS = """
import json, runpy, sys
import kerasflow, keras
from kerasflow.passes.shard import shard
from kerasflow.bridge.step import traced
def fit(self, x, y, batch_size=128, **_):
    x, y = x[:batch_size], y[:batch_size]
    entry = traced(self, x, y, "train")[0]
    cut = shard(entry.graph, (batch_size // 2,) * 2, batch_size // 2)
    seconds = kerasflow.profile(self, x, y, repeats=16).seconds
    print(json.dumps({"seconds": seconds, "meetings": cut.meetings, "bytes": cut.sent}), flush=True)
    sys.exit()
keras.Model.fit = fit
sys.argv = sys.argv[1:]
sys.path.insert(0, sys.argv[0].rpartition("/")[0])
runpy.run_path(sys.argv[0], run_name="__main__")
"""

Facts = dict[str, Any]


def predicted(facts: Facts, n: int, latency: float, bandwidth: float, strong: bool = True) -> float:
    """The seconds of a step on n processes, by the model."""
    compute = facts["seconds"] / (n if strong else 1)
    rounds = math.ceil(math.log2(n)) if n > 1 else 0
    return compute + facts["meetings"] * latency * rounds + 2 * facts["bytes"] * (n - 1) / n / bandwidth


def main() -> int:
    arguments = _arguments()
    counts = [int(n) for n in arguments.processes.split(",")]
    measured, on_paper = [], []
    with tempfile.TemporaryDirectory() as scratch:
        data = arguments.data or default_data(Path(scratch))
        for program in arguments.program:
            facts = _facts(program, data)
            measured.append(_measure(program, data, counts, arguments))
            on_paper.append(_predict(program, facts, arguments))
    print(f"Steady epochs, medians of {arguments.repeat} alternating rounds. {machine()}.\n")
    print(table(["program", *(f"{n} process{'es' * (n > 1)}" for n in counts)], measured))
    print("\nOn paper, times as fast as one process:\n")
    print(table(["program", "step", "meetings", "bytes", *map(str, COUNTS)], on_paper))
    return 0


def _arguments() -> argparse.Namespace:
    programs = ("mlp", "cnn", "lstm", "attention", "resnet")
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("program", nargs="*", default=programs, metavar="program", help=", ".join(programs))
    parser.add_argument(
        "--processes", default="1,2,4", metavar="N,…", help="how many run here (default: 1,2,4)"
    )
    parser.add_argument("--repeat", type=int, default=3, metavar="N", help="rounds (default: 3)")
    parser.add_argument("--epochs", type=int, default=3, metavar="N", help="epochs a run (default: 3)")
    parser.add_argument(
        "--latency", type=float, default=20e-6, help="of a message, in seconds (default: 20e-6)"
    )
    parser.add_argument(
        "--bandwidth", type=float, default=1.2e9, help="bytes a second (default: 1.2e9, 10 Gbit)"
    )
    parser.add_argument(
        "--weak", action="store_true", help="predict for batches that grow with the processes"
    )
    parser.add_argument(
        "--data", type=Path, metavar="FILE.npz", help="MNIST (default: as kerasflow finds it)"
    )
    return parser.parse_args()


def _environment() -> dict[str, str]:
    return {**os.environ, "KERASFLOW_THREADS": "1", "BENCHMARK_START": repr(time.time())}


def _output(command: list[str]) -> Any:
    finished = subprocess.run(command, env=_environment(), capture_output=True, text=True)
    if finished.returncode:
        raise SystemExit(f"{' '.join(command[:4])} failed:\n{finished.stderr}")
    return json.loads(finished.stdout.splitlines()[-1])


def _facts(program: str, data: Path) -> Facts:
    found: Facts = _output(
        [sys.executable, "-c", FACTS, str(PROGRAMS / f"{program}.py"), "--data", str(data)]
    )
    return found


def _measure(program: str, data: Path, counts: list[int], arguments: argparse.Namespace) -> list[str]:
    """A row of epochs, and how many times as fast as one process they are."""
    seconds: dict[int, list[float]] = {n: [] for n in counts}
    for turn in range(arguments.repeat):
        for n in counts:
            options = [
                str(PROGRAMS / f"{program}.py"),
                "--data",
                str(data),
                "--epochs",
                str(arguments.epochs),
            ]
            run = [str(Path(sys.executable).with_name("kerasflow")), "run", "-n", str(n), *options]
            seconds[n].append(steady(_output(run)))
            say(f"{program}, round {turn + 1}, {n}: {seconds[n][-1]:.2f} s")
    medians = {n: statistics.median(found) for n, found in seconds.items()}
    first = medians[counts[0]]
    return [program, *(f"{medians[n]:.2f} s ({first / medians[n]:.2f})" for n in counts)]


def _predict(program: str, facts: Facts, arguments: argparse.Namespace) -> list[str]:
    speeds = []
    for n in COUNTS:
        seconds = predicted(facts, n, arguments.latency, arguments.bandwidth, not arguments.weak)
        speeds.append(facts["seconds"] / seconds * (n if arguments.weak else 1))
    step = f"{facts['seconds'] * 1e3:.1f} ms"
    return [
        program,
        step,
        str(facts["meetings"]),
        f"{facts['bytes']:,}",
        *(f"{speed:.3g}" for speed in speeds),
    ]


if __name__ == "__main__":
    sys.exit(main())
