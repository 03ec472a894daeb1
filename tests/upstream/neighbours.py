"""Runs the first example of libraries around Keras on kerasflow, each in an environment of its own that uv makes.

pip install uv
python tests/upstream/neighbours.py                  all of them
python tests/upstream/neighbours.py SHAP Optuna      some
python tests/upstream/neighbours.py --write          ... and write into docs/compatibility.md what is as the table says
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from neighbour_report import OURS, keep
from neighbour_table import NEIGHBOURS, Neighbour

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]

# What the new process does: the example, and last a line of JSON with what is installed.
PROGRAM = """
import importlib, importlib.metadata, importlib.util, json, pathlib, sys
module, function, folder, *packages = sys.argv[1:]
versions = {package: importlib.metadata.version(package) for package in packages}
versions["tensorflow"] = importlib.util.find_spec("tensorflow") is not None
print("\\n" + json.dumps(versions), flush=True)
import kerasflow
getattr(importlib.import_module(module), function)(pathlib.Path(folder))
print("\\nthe example has ended", flush=True)
"""


def environment(neighbour: Neighbour, folder: Path) -> Path:
    """Make the environment with the library and kerasflow from this checkout; one that has all that is needed is kept.

    Returns:
        Its Python.

    Raises:
        subprocess.CalledProcessError: if it cannot be installed; `stderr` says why.
    """
    place = folder / neighbour.name.replace(" ", "-").lower()
    python = place / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    complete = place / "complete"
    if not complete.exists() or complete.read_text().split() != list(neighbour.needs):
        commands = (
            ["venv", "--clear", f"--python={sys.executable}", str(place)],
            ["pip", "install", f"--python={python}", "--editable", str(ROOT), *neighbour.needs],
        )
        for command in commands:
            subprocess.run(["uv", "--quiet", *command], check=True, capture_output=True, text=True)
        complete.write_text("\n".join(neighbour.needs))
    return python


def attempt(neighbour: Neighbour, folder: Path, seconds: int) -> dict[str, Any]:
    """Run a library's example.

    Args:
        folder: of the environments. seconds: how long the example may take.

    Returns:
        `error`: the last line of what went wrong, or "". `versions` of what was there. `on`: the day.
    """
    found: dict[str, Any] = {"on": datetime.now(UTC).date().isoformat(), "versions": {}}
    try:
        python = environment(neighbour, folder)
    except subprocess.CalledProcessError as error:
        return found | {"error": one_line(error.stderr)}
    with tempfile.TemporaryDirectory() as scratch:
        settings = {k: v for k, v in os.environ.items() if not k.startswith(("KERAS", "PYTHON"))}
        settings |= {
            "KERAS_HOME": str(Path(scratch) / "keras"),
            "PYTHONPATH": str(HERE),
            "CUDA_VISIBLE_DEVICES": "-1",
            "TF_CPP_MIN_LOG_LEVEL": "3",
        }
        arguments = [neighbour.module, neighbour.function, scratch, neighbour.package, *OURS]
        try:
            run = subprocess.run(
                [python, "-c", PROGRAM, *arguments],
                cwd=scratch,
                env=settings,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=seconds,
            )
        except subprocess.TimeoutExpired:
            return found | {"error": f"not done after {seconds} seconds"}
    found["versions"] = next((json.loads(line) for line in run.stdout.splitlines() if line[:2] == '{"'), {})
    done = "the example has ended" in run.stdout.splitlines()
    return found | {"error": "" if done else one_line(run.stderr) or f"it ended with {run.returncode}"}


def one_line(text: str) -> str:
    """The last line of a traceback that names an error, or of any text the last."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    named = [line for line in lines if line.partition(":")[0].endswith(("Error", "Exception"))]
    return (named or lines or [""])[-1][:300]


def judged(neighbour: Neighbour, found: dict[str, Any]) -> str:
    """What contradicts the table in what became of an example, or ""."""
    if not found["error"]:
        return f"it works, and the table says: {neighbour.because}" if neighbour.because else ""
    return "" if neighbour.because and neighbour.error in found["error"] else found["error"]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", help="of libraries, as the page has them; all by default")
    parser.add_argument(
        "--environments", type=Path, help="a folder that keeps them; by default they are thrown away"
    )
    parser.add_argument("--seconds", type=int, default=600, help="how long one example may take")
    parser.add_argument("--write", action="store_true", help="write docs/compatibility.md")
    chosen = parser.parse_args(arguments)
    by_name = {neighbour.name: neighbour for neighbour in NEIGHBOURS}
    if unknown := sorted(set(chosen.names) - set(by_name)):
        parser.error(f"not in neighbour_table.py: {', '.join(unknown)}; there are {', '.join(by_name)}")
    if shutil.which("uv") is None:
        parser.error("the environments are made by uv, which is not installed: pip install uv")
    wrong = 0
    with tempfile.TemporaryDirectory() as thrown_away:
        for name in chosen.names or by_name:
            found = attempt(by_name[name], chosen.environments or Path(thrown_away), chosen.seconds)
            complaint = judged(by_name[name], found)
            wrong += bool(complaint)
            result = f"not as the table has it: {complaint}" if complaint else found["error"] or "works"
            print(f"{name}: {result}", flush=True)
            if chosen.write and not complaint:
                keep(name, found)
    if chosen.write:
        from library_report import rewrite

        rewrite()
    return int(bool(wrong))


if __name__ == "__main__":
    raise SystemExit(main())
