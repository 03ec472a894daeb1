"""The part of docs/compatibility.md on Pythons, NumPy versions and systems: what ran where, and when."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
STORED = HERE / "measured.json"
PAGE = HERE.parents[1] / "docs" / "compatibility.md"
BEGIN, END = "<!-- systems -->", "<!-- end of systems -->"
_COLUMNS = ("keras", "python", "numpy", "system", "tests", "passed", "failed", "skipped", "date")
_HEADS = ("Keras", "Python", "NumPy", "system", "tests", "passed", "failed", "skipped", "on")

# Runs of a state between two changes.
_SINCE, _NAME = r"^3\.1[34]\.", "the test had an old name or wording, of a change on its way: mended since"
# Why tests fail where they do and it is not ours to mend: a pattern of a row's Python and system, what the test's name
# begins with, and the reason.
EXPLAINED: tuple[tuple[str, str, str], ...] = (
    (
        "i386$",
        "tests/tracing/test_numpy_functions.py::test_exact[np.linalg.pinv(x)]",
        "rounding: there a product of matrices depends on how they lie in memory",
    ),
    (
        "^3.1(5|3.*t).*sid",  # h5py has no wheel for these
        "tests/bridge/test_saving.py::test_an_interrupted_save_leaves_the_previous_file",
        "Debian's HDF5 2.2 ends a process by an assertion of its own where the disk is full",
    ),
    (_SINCE, "tests/keras/test_export_saved_model.py::test_tensorflow_is_missing", _NAME),
    (_SINCE, "tests/test_compare.py::test_only_a_script_has_arguments_of_its_own", _NAME),
    (
        _SINCE,
        "tests/test_systems.py::test_what_failed_is_explained",
        "it is about this table while it was being made",
    ),
)

PREFACE = """## Pythons, NumPy versions and systems

Each row is a run of this project's tests, in an environment of its own, and says what the run said itself.
`python tests/systems/on_systems.py FOLDER` makes them, where another Python or system is needed in a Debian in that
folder, and writes this table. *all* is the README's test command, as in CI; *fast* is without Keras's suite, which the
first part of this page is about, and without slow tests; *core* is a part of these: graphs, tracing, derivatives,
compilation, every operation of `keras.ops`, training, saving, export; *short* is a part of that, and *first* four
networks that are trained, saved, loaded and exported. What needs a package that the environment lacks is skipped; on
Python 3.14 that is TensorFlow, of which there is no release for it yet.

*t* is a Python without the global lock, which nothing that kerasflow imports turns on again; nothing warns, and models
train in several threads at once. *aarch64* is emulated."""


def stored() -> list[dict[str, Any]]:
    """What is kept."""
    return json.loads(STORED.read_text("utf-8")) if STORED.exists() else []


def _key(run: Mapping[str, Any]) -> tuple[Any, ...]:
    numbers = [
        tuple(int(part) for part in run[name].rstrip("t").split(".") if part.isdigit())
        for name in ("python", "numpy")
    ]
    return (*numbers, *(run[name] for name in ("python", "system", "keras", "tests")))


def keep(runs: Iterable[dict[str, Any]]) -> None:
    """Keep runs, each in the place of an older one of the same kind, and write the page."""
    kept = {_key(run): run for run in (*stored(), *runs)}
    lines = ",\n".join(json.dumps(kept[key]) for key in sorted(kept))
    STORED.write_text(f"[\n{lines}\n]\n", "utf-8")
    PAGE.write_text(filled(PAGE.read_text("utf-8")), "utf-8")


def section() -> str:
    """The part of the page, with the marks around it."""
    rule = [":--" if name not in ("passed", "failed", "skipped") else "--:" for name in _COLUMNS]
    rows = [_HEADS, rule, *([str(run[name]) for name in _COLUMNS] for run in stored())]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return f"{BEGIN}\n{PREFACE}\n\n{table}\n{_failures()}{END}"


def reason(run: Mapping[str, Any], test: str) -> str | None:
    """Why a test fails in a run, if that is known."""
    return next((why for where, which, why in EXPLAINED if _fits(where, which, run, test)), None)


def _fits(where: str, which: str, run: Mapping[str, Any], test: str) -> bool:
    return bool(re.search(where, f"{run['python']} {run['system']}")) and test.startswith(which)


def _failures() -> str:
    """What failed, and why."""
    found: dict[tuple[str, str], list[str]] = {}
    for run in stored():
        for test in run["failing"]:
            why = reason(run, test) or "not known yet"
            where = f"{run['python']} on {run['system']}"
            found.setdefault((where, why), []).append(f"`{test.partition('::')[2]}`")
    rows = [f"| {where} | {why} | {', '.join(tests)} |" for (where, why), tests in found.items()]
    if not rows:
        return ""
    heads = ("What failed there:", "", "| Python | because | which |", "| :-- | :-- | :-- |")
    return "\n" + "".join(f"{line}\n" for line in (*heads, *rows))


def filled(page: str, part: str | None = None) -> str:
    """The page with a part made anew.

    Args:
        part: its first and last lines are the marks around it; this file's own by default.

    Raises:
        ValueError: if the page has no place for it.
    """
    part = part or section()
    begin, *_, last = part.splitlines()
    before, _, rest = page.partition(begin)
    _, end, after = rest.partition(last)
    if not end:
        raise ValueError(f"{PAGE.name} has no {begin} with an {last} behind it")
    return before + part + after
