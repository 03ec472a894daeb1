"""Runs Keras programs on kerasflow and on stock Keras, in turn, and compares what they took.

    python benchmarks/compare.py mlp --against tensorflow=PYTHON --against jax=PYTHON [--against sklearn=PYTHON]
    python benchmarks/compare.py cnn lstm attention resnet --against tensorflow=PYTHON --against torch=PYTHON
    python benchmarks/compare.py mlp --backends numpy,tensorflow,pytensor --against tensorflow=PYTHON

The programs are in `benchmarks/programs`, one file each: plain Keras, the same file for all (`NAME_sklearn.py` is
scikit-learn's counterpart). Every round runs each contestant once, so that a machine that grows warm or busy does so
for all; the table has the medians over the rounds.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contestants import Contestant, add_contestants, contestants, machine, table

PROGRAMS = Path(__file__).parent / "programs"
MNIST = Path(__file__).parents[2] / "shared" / "data" / "mnist.npz"

Report = dict[str, Any]


@dataclass(frozen=True)
class Measure:
    """A column of the table: its title, how it is got from a report, how it is shown, whether it has a ratio."""

    title: str
    of: Callable[[Report], float]
    form: str
    ratio: bool = True


def steady(report: Report) -> float:
    """The median epoch after the first, which carries the compilation."""
    return statistics.median(report["epoch_seconds"][1:] or report["epoch_seconds"])


MEASURES = (
    Measure("import", lambda report: report["import_seconds"], "{:.2f} s"),
    Measure("first epoch", lambda report: report["epoch_seconds"][0], "{:.2f} s"),
    Measure("steady epoch", steady, "{:.2f} s"),
    Measure("whole process", lambda report: report["process_seconds"], "{:.1f} s"),
    Measure("peak memory", lambda report: report["peak_bytes"] / 1e6, "{:.0f} MB"),
    Measure("accuracy", lambda report: report["accuracy"], "{:.4f}", ratio=False),
)


def main() -> int:
    arguments = _arguments()
    runners = contestants(arguments)
    texts = []
    with tempfile.TemporaryDirectory() as scratch:
        data = arguments.data or default_data(Path(scratch))
        for program in arguments.program:
            texts.append(_compare(program, runners, data, arguments))
            print(texts[-1] + "\n", flush=True)
    if arguments.markdown:
        arguments.markdown.write_text("\n\n".join(texts) + "\n")
    return 0


def _compare(program: str, runners: list[Contestant], data: Path, arguments: argparse.Namespace) -> str:
    """The table of one program."""
    options = ["--data", str(data)]
    for name in ("epochs", "batch_size"):
        if (value := getattr(arguments, name)) is not None:
            options += [f"--{name.replace('_', '-')}", str(value)]
    reports: dict[Contestant, list[Report]] = {runner: [] for runner in runners}
    for turn in range(arguments.repeat):
        for runner in runners:
            say(f"{program}, round {turn + 1} of {arguments.repeat}: {runner}")
            report = _run(runner, program, [*options, "--seed", str(arguments.seed + turn)])
            reports[runner].append(report)
            say("  " + ", ".join(f"{m.title} {m.form.format(m.of(report))}" for m in MEASURES))
    return _render(program, arguments.repeat, reports)


def _arguments() -> argparse.Namespace:
    names = sorted(path.stem for path in PROGRAMS.glob("*.py") if path.stem != "measure")
    keras_programs = [name for name in names if not name.endswith("_sklearn")]
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "program", nargs="+", choices=keras_programs, metavar="program", help=", ".join(keras_programs)
    )
    add_contestants(parser)
    parser.add_argument(
        "--sklearn", action="store_true", help="the same as --against sklearn=(this interpreter)"
    )
    parser.add_argument("--repeat", type=int, default=3, metavar="N", help="rounds (default: 3)")
    parser.add_argument("--epochs", type=int, metavar="N", help="epochs a run (default: the program's)")
    parser.add_argument("--batch-size", type=int, metavar="N", help="default: the program's")
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="of the first round; each has the next"
    )
    parser.add_argument(
        "--data", type=Path, metavar="FILE.npz", help="MNIST (default: as kerasflow finds it)"
    )
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table there too")
    arguments = parser.parse_args()
    if arguments.sklearn:
        arguments.against.append(Contestant("sklearn", sys.executable))
    for program in arguments.program:
        if any(r.name == "sklearn" for r in arguments.against) and f"{program}_sklearn" not in names:
            parser.error(f"there is no programs/{program}_sklearn.py")
    if arguments.repeat < 1 or (arguments.epochs is not None and arguments.epochs < 1):
        parser.error("--repeat and --epochs have to be at least 1")
    if arguments.data and not arguments.data.is_file():
        parser.error(f"there is no file {arguments.data}")
    return arguments


def default_data(scratch: Path) -> Path:
    """MNIST beside the checkout, or what kerasflow finds; as a file, the same for all."""
    if MNIST.exists():
        return MNIST
    import numpy as np

    from kerasflow.datasets import mnist

    (x_train, y_train), (x_test, y_test) = mnist.load_data()
    np.savez(scratch / "mnist.npz", x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)
    return scratch / "mnist.npz"


def _run(runner: Contestant, program: str, options: list[str]) -> Report:
    """One run in a process of its own."""
    file = PROGRAMS / (f"{program}_sklearn.py" if runner.name == "sklearn" else f"{program}.py")
    environment = runner.environment()
    environment["BENCHMARK_START"] = repr(time.time())
    finished = subprocess.run(
        runner.command(str(file), *options),
        env=environment,
        capture_output=True,
        text=True,
    )
    if finished.returncode != 0:
        raise SystemExit(f"{runner} failed:\n{finished.stderr}")
    return json.loads(finished.stdout.splitlines()[-1])


def _render(program: str, rounds: int, reports: dict[Contestant, list[Report]]) -> str:
    medians = {
        runner: [statistics.median(map(measure.of, found)) for measure in MEASURES]
        for runner, found in reports.items()
    }
    rows = [
        [
            _label(runner, reports[runner][0]),
            *(m.form.format(v) for m, v in zip(MEASURES, values, strict=True)),
        ]
        for runner, values in medians.items()
    ]
    for ours, other in itertools.product(
        (runner for runner in reports if runner.ours), (runner for runner in reports if not runner.ours)
    ):
        ratios = zip(MEASURES, medians[ours], medians[other], strict=True)
        rows.append(
            [f"{ours} / {other}", *(f"{mine / theirs:.2f}" if m.ratio else "" for m, mine, theirs in ratios)]
        )
    first = next(iter(reports.values()))[0]
    return (
        f"`{program}`, {len(first['epoch_seconds'])} epochs, batch {first['batch_size']}; medians of "
        f"{rounds} alternating rounds. {machine()}, NumPy {first['versions'].get('numpy')}.\n\n"
        + table([program, *(measure.title for measure in MEASURES)], rows)
    )


def _label(runner: Contestant, report: Report) -> str:
    """What ran, with its version: "tensorflow 2.21.0 (Keras 3.15.1)"."""
    versions = report["versions"]
    package = {"sklearn": "scikit-learn", "tensorflow": "tensorflow-cpu"}.get(runner.name, runner.name)
    number = versions.get(package) or versions.get(runner.name, "")
    keras = "" if runner.name == "sklearn" else f" (Keras {versions['keras']})"
    return f"{runner} {number}{keras}"


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
