"""What a run of the tests was a run of, in a line of its output: docs/compatibility.md knows from it what ran where.

Only runs of a whole selection have one, not those of single files. A single test may have a line of its own: what it
records under a name that begins with "measured" (pytest's `record_property`).
"""

from __future__ import annotations

import datetime
import json
import platform
import re
import sysconfig
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from typing import Any

# By name what is given to pytest, beside options that choose nothing.
SELECTIONS: dict[str, tuple[str, ...]] = {
    "first": ("tests/bridge/test_first_steps.py",),
    "short": (
        *("tests/graph", "tests/compiler", "tests/tracing/test_numpy_functions.py"),
        *("tests/bridge/test_every_op.py", "tests/bridge/test_first_steps.py"),
    ),
    "core": (
        *("tests/graph", "tests/passes", "tests/tracing", "tests/autodiff", "tests/compiler", "tests/ops"),
        *("tests/bridge/test_every_op.py", "tests/bridge/test_trainer.py", "tests/bridge/test_saving.py"),
        "tests/bridge/test_first_steps.py",
    ),
    "fast": ("-m", "not slow and not network", "--ignore=tests/upstream"),
    "all": (),
}
OUTCOMES = ("passed", "failed", "skipped")
_LINE = re.compile(r"^measured: (\{.*\})$", re.MULTILINE)


def environment() -> dict[str, str]:
    """The versions that matter, and the system: its name and its kind of processor."""
    from kerasflow.bridge.versions import keras_version  # NumPy, and conftest.py sets first what that reads.

    free = "t" if sysconfig.get_config_var("Py_GIL_DISABLED") else ""
    try:
        system = platform.freedesktop_os_release()["PRETTY_NAME"]
    except OSError:
        system = f"{platform.system()} {platform.release()}"
    # Of a 32-bit Python on a 64-bit machine, `platform.machine` tells the machine.
    machine = str(sysconfig.get_config_var("MULTIARCH") or platform.machine()).partition("-")[0]
    return {
        "keras": keras_version(),
        "python": platform.python_version() + free,
        "numpy": version("numpy"),
        "system": f"{system}, {machine}",
    }


def selected(arguments: Sequence[str], expression: str, ignored: Sequence[str], keyword: str) -> str | None:
    """The name of what pytest was told to run, or None if it has none.

    Args:
        arguments: files and folders; those of the configuration where none was given.
        expression, ignored, keyword: what `-m`, `--ignore` and `-k` say.
    """
    found = [
        *(() if list(arguments) == ["tests"] else arguments),
        *(("-m", expression) if expression else ()),
        *(f"--ignore={path}" for path in ignored),
        *(("-k", keyword) if keyword else ()),
    ]
    return next((name for name, chosen in SELECTIONS.items() if found == list(chosen)), None)


def line(tests: str, counts: Mapping[str, int], failing: Iterable[str] = ()) -> str:
    """The line of a run that has ended; `failing` are the names of the tests that failed."""
    today = datetime.date.today().isoformat()
    found = {
        "date": today,
        "tests": tests,
        **environment(),
        **{name: counts.get(name, 0) for name in OUTCOMES},
        "failing": sorted(failing),
    }
    return f"measured: {json.dumps(found)}"


def said(stats: Mapping[str, Sequence[Any]]) -> list[str]:
    """The lines of single tests.

    Args:
        stats: pytest's reports, by the outcome.
    """
    reports = [report for reports in stats.values() for report in reports]
    return [
        f"{name}: {json.dumps(value)}"
        for report in reports
        if getattr(report, "when", None) == "call"
        for name, value in report.user_properties
        if name.startswith("measured")
    ]


def read(log: str) -> list[dict[str, Any]]:
    """What the lines in a log say."""
    return [json.loads(found) for found in _LINE.findall(log)]
