"""Runs this project's tests on other Pythons, NumPys, versions of Keras and systems, and keeps what they say.

python tests/systems/on_systems.py FOLDER                 all of CASES, in that folder
python tests/systems/on_systems.py FOLDER --only 3.14 numpy==2.5    those that all these words fit
python tests/systems/on_systems.py FOLDER --tests fast    more tests of each
python tests/systems/on_systems.py --log FILE             what a run elsewhere has printed: CI's

A Debian in a directory needs root and `debootstrap`; a Python that is not there is left out.
"""

from __future__ import annotations

import argparse
import re
import sys
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from places import FOR_FREE_THREADED, FREE_THREADED, ROOT, Debian, Emulated, Here, Place
from systems_page import keep

sys.path.insert(0, str(ROOT / "tests"))
import measured

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
TESTING = ("pytest>=9", "pytest-xdist", "hypothesis", "pyyaml")


def oldest() -> tuple[str, ...]:
    """What pyproject.toml requires, each in the oldest version that it allows."""
    return tuple(re.sub(r">=([\d.]+).*", r"==\1", requirement) for requirement in PROJECT["dependencies"])


def needed(tests: str) -> tuple[str, ...]:
    """What is installed for tests: the project first, as the README has it if they are more than the core."""
    return (".[test]" if tests in ("fast", "all") else ".", *TESTING)


class Case(NamedTuple):
    """An environment to run tests in: where, on which Python, with what installed (NumPy first), and which tests."""

    place: str
    python: str
    requirements: tuple[str, ...]
    tests: str = "core"

    def name(self) -> str:
        """What the case is called, and what its environment and its log are."""
        return "-".join(
            (self.place, self.python, *re.sub("[^a-z0-9.-]", "", "-".join(self.requirements)).split())
        )


CASES = (
    Case("here", "3.11", oldest()),
    Case("here", "3.11", ("numpy==2.4.*", "keras==3.15.*")),
    Case("here", "3.12", ("numpy==2.1.*", "keras==3.14.*")),
    Case("trixie", "3.13", ("numpy==2.2.*", "keras==3.15.*")),
    Case("sid", "3.14", ("numpy==2.3.*", "keras==3.15.*")),
    Case("sid", "3.14", ("numpy==2.5.*", "keras==3.15.*")),
    Case("sid", "3.15", ("numpy==2.5.*", "keras==3.15.*")),
    Case("sid", "3.13t", ("numpy==2.4.*", "keras==3.15.*")),
    Case("i386", "3.13", ("numpy==2.2.*", "keras==3.15.*", "ml-dtypes<0.6")),
    Case("arm64", "3.13", ("numpy==2.4.*", "keras==3.15.*"), "first"),
)


def places(folder: Path) -> dict[str, Place]:
    """The places of the cases."""
    tools = ("python3-venv", "python3-dev", "g++", "git")
    newest = (
        *(f"python3.{minor}-{part}" for minor in (14, 15) for part in ("venv", "dev")),
        "pkg-config",
        "libhdf5-dev",
    )
    without_wheels = ("python3-numpy", "python3-scipy", "python3-h5py")
    return {
        "here": Here(folder / "here"),
        "trixie": Debian(folder / "trixie", "trixie", "amd64", tools),
        "sid": Debian(
            folder / "sid", "sid", "amd64", (*tools, *newest, *FOR_FREE_THREADED), more=FREE_THREADED
        ),
        "i386": Debian(folder / "i386", "trixie", "i386", (*tools, *without_wheels), shared=True),  # 32 bits
        "arm64": Emulated(folder / "arm64", "trixie", "arm64", "aarch64"),
    }


def measure(case: Case, place: Place, tests: str, log: Path) -> list[dict[str, Any]]:
    """Make the case's environment, run tests in it, and return what they said.

    Raises:
        RuntimeError: if the place lacks the Python, or a step before the tests fails, or they do not come to an end.
    """
    place.prepare()
    command = place.find(case.python)
    if command is None:
        raise RuntimeError(f"{case.place} has no Python {case.python}")
    environment = f"env-{case.name()}"
    log.write_text("", "utf-8")
    project, *packages = needed(tests)
    for step in place.steps(command, environment, (project, *case.requirements, *packages)):
        if place.run(step, log):
            raise RuntimeError(f"{case.name()}: `{' '.join(step)}` failed: see {log}")
    python = place.python(command, environment)
    place.run([*python, "-m", "pytest", "-q", "-n0", *measured.SELECTIONS[tests]], log)
    found = measured.read(log.read_text("utf-8"))
    if not found:
        raise RuntimeError(f"{case.name()}: the tests did not come to their end: see {log}")
    return found


def chosen(words: Iterable[str]) -> list[Case]:
    """The cases of which each word begins the place, the Python or a requirement."""
    return [
        case
        for case in CASES
        if all(
            any(part.startswith(word) for part in (case.place, case.python, *case.requirements))
            for word in words
        )
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, nargs="?", help="where Debians, environments and logs go")
    parser.add_argument(
        "--only",
        nargs="+",
        default=(),
        help="words with which the place, the Python or a requirement of a case begins",
    )
    parser.add_argument("--tests", choices=measured.SELECTIONS, help="other tests than the case's own")
    parser.add_argument("--log", type=Path, help="a log of pytest, whose line is kept")
    given = parser.parse_args(arguments)
    if given.log:
        keep(measured.read(given.log.read_text("utf-8")))
        return 0
    if given.folder is None:
        parser.error("a folder is needed, for Debians, environments and logs")
    folder = given.folder.resolve()
    (folder / "logs").mkdir(parents=True, exist_ok=True)
    known, missed = places(folder), 0
    for case in chosen(given.only):
        print(case.name(), flush=True)
        try:
            tests = given.tests or case.tests
            runs = measure(case, known[case.place], tests, folder / "logs" / f"{case.name()}.txt")
        except RuntimeError as error:
            missed += 1
            print(f"    {error}")
            continue
        keep(runs)
        print("".join(f"    {run}\n" for run in runs), end="", flush=True)
    return int(missed > 0)


if __name__ == "__main__":
    raise SystemExit(main())
