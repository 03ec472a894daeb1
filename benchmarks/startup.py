"""How long `import keras` takes, and how large the installed environment is, on kerasflow and on stock Keras.

    python benchmarks/startup.py --kerasflow PYTHON --against tensorflow=PYTHON --against jax=PYTHON

Name an environment that has kerasflow alone (`pip install kerasflow`), or the size is that of all else in it as well.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
from pathlib import Path

from contestants import OURS, Contestant, add_contestants, contestants, machine, table

IMPORT = "import time; start = time.perf_counter(); {}; print(time.perf_counter() - start)"
SITE_PACKAGES = (
    "import sysconfig; print(sysconfig.get_path('purelib'), sysconfig.get_path('platlib'), sep='\\n')"
)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_contestants(parser)
    parser.add_argument("--repeat", type=int, default=7, metavar="N", help="rounds (default: 7)")
    arguments = parser.parse_args()
    if arguments.repeat < 1:
        parser.error("--repeat has to be at least 1")
    runners = contestants(arguments)
    times: dict[Contestant, list[float]] = {runner: [] for runner in runners}
    for turn in range(arguments.repeat + 1):
        for runner in runners:
            seconds = _import_seconds(runner)
            if turn > 0:  # the first round fills the disk cache and writes the .pyc files
                times[runner].append(seconds)
    print(f"Medians of {arguments.repeat} alternating rounds. {machine()}.\n")
    print(table(["", "import", "kerasflow / it", "environment", "kerasflow / it"], _rows(times)))
    return 0


def _rows(times: dict[Contestant, list[float]]) -> list[list[str]]:
    seconds = {runner: statistics.median(found) for runner, found in times.items()}
    sizes = {runner: _environment_bytes(runner) for runner in times}
    ours = next(iter(times))
    return [
        [
            runner.name,
            f"{seconds[runner]:.2f} s",
            f"{seconds[ours] / seconds[runner]:.2f}",
            f"{sizes[runner] / 1e6:.0f} MB",
            f"{sizes[ours] / sizes[runner]:.2f}",
        ]
        for runner in times
    ]


def _import_seconds(runner: Contestant) -> float:
    imports = {OURS: "import kerasflow, keras", "sklearn": "import sklearn.neural_network"}
    return float(_python(runner, IMPORT.format(imports.get(runner.name, "import keras"))).splitlines()[-1])


def _environment_bytes(runner: Contestant) -> int:
    """The size of the files in the environment's site-packages."""
    folders = {Path(line) for line in _python(runner, SITE_PACKAGES).splitlines()}
    return sum(path.lstat().st_size for folder in folders for path in folder.rglob("*") if not path.is_dir())


def _python(runner: Contestant, code: str) -> str:
    finished = subprocess.run(
        [runner.python, "-c", code], env=runner.environment(), capture_output=True, text=True, check=False
    )
    if finished.returncode != 0:
        raise SystemExit(f"{runner.name} failed:\n{finished.stderr}")
    return finished.stdout


if __name__ == "__main__":
    sys.exit(main())
