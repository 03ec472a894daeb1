"""How long `import keras` takes, and how large the installed environment is, on kerasflow and on stock Keras.

    python benchmarks/startup.py --kerasflow PYTHON --beside PYTHON --against tensorflow=PYTHON --against jax=PYTHON

The first environment has kerasflow alone (`pip install kerasflow`), or the size is that of all else in it as well; the
second one has what Keras imports where it is installed, too: scikit-learn, pandas, Matplotlib. Each row says which of
them its environment has, so that stock Keras can be measured in both kinds as well.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
from pathlib import Path

from contestants import OURS, Contestant, add_contestants, contestants, machine, table

IMPORT = "import time; start = time.perf_counter(); {}; print(time.perf_counter() - start)"
# What Keras itself imports where it is installed.
BESIDE = ("sklearn", "pandas", "matplotlib")
FIND = f"from importlib.util import find_spec; print(*filter(find_spec, {BESIDE}), sep=', ')"
SITE_PACKAGES = (
    "import sysconfig; print(sysconfig.get_path('purelib'), sysconfig.get_path('platlib'), sep='\\n')"
)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_contestants(parser)
    parser.add_argument(
        "--beside",
        action="append",
        default=[],
        metavar="PYTHON",
        help="one more interpreter that has kerasflow, beside other packages; may be repeated",
    )
    parser.add_argument("--repeat", type=int, default=7, metavar="N", help="rounds (default: 7)")
    arguments = parser.parse_args()
    if arguments.repeat < 1:
        parser.error("--repeat has to be at least 1")
    runners = contestants(arguments)
    runners[1:1] = [Contestant(OURS, python, "numpy") for python in arguments.beside]
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
            _title(runner),
            f"{seconds[runner]:.2f} s",
            f"{seconds[ours] / seconds[runner]:.2f}",
            f"{sizes[runner] / 1e6:.0f} MB",
            f"{sizes[ours] / sizes[runner]:.2f}",
        ]
        for runner in times
    ]


def _title(runner: Contestant) -> str:
    """The framework, and what else Keras would import in its environment."""
    others = _python(runner, FIND).strip() if runner.name != "sklearn" else ""
    return f"{runner}, beside {others}" if others else str(runner)


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
