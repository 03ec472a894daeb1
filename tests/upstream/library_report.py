"""The part of docs/compatibility.md on libraries: what their tests make of kerasflow, beside stock Keras."""

from __future__ import annotations

import json
import subprocess
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import neighbour_report
from differences import ACCEPTING, DIFFERENCES, REFUSALS, SKIPPED
from libraries import STOCK
from lifting import matching
from processes import read
from report import PAGE, table

HERE = Path(__file__).resolve().parent
STORED = HERE / "libraries.json"
BACKENDS = (*STOCK, "kerasflow")
NAMES = ("TensorFlow", "JAX", "here")
HEADING = "## Libraries on Keras\n"
NOT_FOUND = {"reason": "the test was not found"}

PREFACE = """The tests of libraries that are written for Keras, run from a checkout of each by
`python tests/upstream/libraries.py`: on stock Keras with TensorFlow (without XLA, which takes longer than they do), on
stock Keras with JAX, and here. What did not run on a backend was left out for its time; what needs a network passes
nowhere.
"""


def outcomes(folder: Path, library: str) -> dict[str, dict[str, dict[str, Any]]]:
    """For each backend the results by test, without a method of TensorFlow's `TestCase` that is called like one."""
    return {
        backend: {
            result["test"]: result
            for result in read(folder / f"{library}-{backend}.jsonl")
            if not result["test"].endswith("::test_session")
        }
        for backend in BACKENDS
    }


def passed(results: dict[str, dict[str, Any]]) -> set[str]:
    """The tests that passed."""
    return {test for test, result in results.items() if result["outcome"] == "passed"}


def summary(folder: Path, library: str, checkout: Path) -> dict[str, Any]:
    """What is kept of a library's runs: how many tests ran and passed on each backend, and the differences.

    Returns:
        `at`: the commit. `run`, `passed`: the numbers of tests by backend. `stock`: how many pass on a stock backend.
        `differences`: those of these that do not pass here, each with its reason.
    """
    results = outcomes(folder, library)
    ours = results["kerasflow"]
    stock = set.union(*(passed(results[backend]) for backend in STOCK))
    return {
        "at": commit(checkout),
        "run": {backend: len(found) for backend, found in results.items()},
        "passed": {backend: len(passed(found)) for backend, found in results.items()},
        "stock": len(stock),
        "differences": {
            test: ours.get(test, NOT_FOUND)["reason"].partition("\n")[0]
            for test in sorted(stock - passed(ours))
        },
    }


def commit(checkout: Path) -> str:
    """The commit of a checkout, and its day."""
    git = ["git", "-C", str(checkout), "log", "-1", "--format=%h of %cs"]
    return subprocess.run(git, capture_output=True, text=True, check=True).stdout.strip()


def names(test: str) -> set[str]:
    """The names by which tables call a test: its own, without its parameters, its class, its file."""
    bare = test.partition("[")[0]
    return {test, bare, bare.rpartition("::")[0], test.partition("::")[0]}


def cause(library: str, test: str, reason: str) -> str | None:
    """Why a test does not pass here, from the tables, or None if it is in neither."""
    known = DIFFERENCES.get(library, {})
    named = next((why for why, tests in known.items() if names(test) & set(tests)), None)
    skip = matching(SKIPPED, reason)
    return named or (SKIPPED[skip] if skip else None)


def described(library: str, found: dict[str, Any]) -> list[str]:
    """A line for each difference: the test, what it says, and the cause if a table gives one."""
    return [
        f"{test}: {reason}\n    {cause(library, test, reason) or 'not in differences.py'}"
        for test, reason in found["differences"].items()
    ]


def section(figures: dict[str, Any]) -> str:
    """The part of the page."""
    causes: dict[tuple[str, str], list[str]] = defaultdict(list)
    for library, found in figures.items():
        for test, reason in found["differences"].items():
            causes[library, cause(library, test, reason) or "not known"].append(test)
    counts = [
        [
            f"`{library}`",
            found["at"],
            *(found[figure][backend] for backend in BACKENDS for figure in ("run", "passed")),
            found["stock"],
            len(found["differences"]),
        ]
        for library, found in figures.items()
    ]
    header = ["library", "commit", *(f"{name}: {what}" for name in NAMES for what in ("tests", "passed"))]
    header += ["pass on stock Keras", "and not here"]
    return "\n".join(
        [
            HEADING,
            PREFACE,
            table(header, counts) + "\n",
            "What passes on stock Keras and not here:\n",
            table(
                ["library", "because", "tests", "which"],
                [
                    [f"`{library}`", why, len(tests), in_words(tests)]
                    for (library, why), tests in causes.items()
                ],
            )
            + "\n",
            "### Libraries that ask for the backend's name\n",
            "kerasflow is `numpy` to code that asks `keras.backend.backend()`. Most libraries ask in order to do"
            " something that one framework needs. Whole libraries that refuse the name are in the table below;"
            " besides, there are these:\n",
            table(["library", "what it does", "what to do"], [list(row) for row in REFUSALS]) + "\n",
            f"No such check was met in {ACCEPTING}.\n",
            neighbour_report.section(neighbour_report.stored()),
        ]
    )


def in_words(tests: Iterable[str]) -> str:
    """The classes of tests, or the files of those without one, with how many of each."""
    classes = Counter(test.partition("[")[0].split("::")[-2].rpartition("/")[2] for test in tests)
    return ", ".join(f"`{name}` ({n})" for name, n in sorted(classes.items()))


def stored() -> dict[str, Any]:
    """What is kept, by library."""
    return json.loads(STORED.read_text()) if STORED.exists() else {}


def write(library: str, found: dict[str, Any]) -> int:
    """Keep a library's figures and write the part of the page anew, if every difference has a cause.

    Returns:
        A command's exit code.
    """
    if any(cause(library, test, reason) is None for test, reason in found["differences"].items()):
        print(
            "docs/compatibility.md is not written: there are differences that differences.py has no cause for"
        )
        return 1
    STORED.write_text(json.dumps(stored() | {library: found}, indent=1, sort_keys=True) + "\n")
    rewrite()
    return 0


def rewrite() -> None:
    """Write the part of the page anew, from what is kept."""
    PAGE.write_text(PAGE.read_text().partition(HEADING)[0].rstrip() + "\n\n" + section(stored()))
