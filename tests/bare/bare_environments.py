"""Calls every public name of Keras without a framework, then what fails with one package more; keeps what worked.

python tests/bare/bare_environments.py FOLDER    makes the environments there, or takes those that it has made
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bare_page import BARE, REASONS, keep

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
# What is installed beside the bare environment's packages, in the order in which it is tried: what the page calls it,
# and what pip is told.
ENVIRONMENTS = {
    "`kerasflow[data]`": ("kerasflow[data]",),
    "`kerasflow[plot]`": ("kerasflow[plot]",),
    "`kerasflow[onnx]`": ("kerasflow[onnx]",),
    "scikit-learn": ("scikit-learn",),
    "requests": ("requests",),
    "pydot": ("pydot",),
    "OpenCV": ("opencv-python-headless",),
    "Matplotlib and OpenCV": ("kerasflow[plot]", "opencv-python-headless"),
    "orbax-checkpoint, which brings JAX": ("orbax-checkpoint",),
    "`kerasflow[tensorflow]`": ("kerasflow[tensorflow]",),
    "`kerasflow[tensorflow]` and TensorBoard": ("kerasflow[tensorflow]", "tensorboard"),
}
SHOWN = ("keras", "kerasflow", "numpy")


def made(folder: Path, requirements: Iterable[str], bare: Path | None = None) -> Path:
    """The Python of an environment that has these packages, and those of the bare one."""
    python = folder / "bin" / "python"
    if not (folder / "made").exists():
        # Of the others, pip is the bare one's too.
        options = ("--clear",) if bare is None else ("--clear", "--without-pip")
        subprocess.run([sys.executable, "-m", "venv", *options, folder], check=True)
        if bare is not None:
            (packages,), (theirs,) = (place.glob("lib/python3*/site-packages") for place in (folder, bare))
            (packages / "bare.pth").write_text(f"import site; site.addsitedir({str(theirs)!r})\n")
        subprocess.run([python, "-m", "pip", "install", "--quiet", *requirements], cwd=ROOT, check=True)
        (folder / "made").touch()
    return python


def called(python: Path, names: list[str]) -> dict[str, Any]:
    """What `call_all.py` says of names in an environment."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("KERAS", "PYTHON"))}
    done = subprocess.run(
        [python, HERE / "call_all.py", *names],
        env=kept | {"PATH": f"{python.parent}{os.pathsep}{kept['PATH']}"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where the environments are, or will be")
    folder = parser.parse_args(arguments).folder.resolve()
    names: dict[str, list[Any]] = {}
    errors: dict[str, str] = {}
    versions: dict[str, str] = {}
    # This checkout itself, so that the environments stay good for what is mended.
    pythons = {BARE: made(folder / BARE, ("-e", "."))}
    for what, requirements in ENVIRONMENTS.items():
        name = re.sub("[^a-z]+", "-", what.lower()).strip("-")
        pythons[what] = made(folder / name, requirements, folder / BARE)
    for what, python in pythons.items():
        said = called(python, list(errors))
        versions = versions or {name: said["versions"][name] for name in SHOWN}
        for name, error in said["found"].items():
            others = said["others"].get(name, [])
            names[name] = [others, None if error else what]
        errors = {name: error for name, error in said["found"].items() if error}
        print(f"{what}: {len(said['found'])} called, {len(errors)} left", file=sys.stderr)
    unexplained = sorted(set(errors) ^ set(REASONS))
    for name in unexplained:
        print(f"{name}: {errors.get(name, 'works, and has a reason why not')}", file=sys.stderr)
    if unexplained:
        return 1
    keep({"date": datetime.date.today().isoformat(), "versions": versions, "names": names})
    return 0


if __name__ == "__main__":
    sys.exit(main())
