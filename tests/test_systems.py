"""Other Pythons, NumPy versions and systems: docs/compatibility.md says of them what runs said of themselves."""

from __future__ import annotations

import datetime
import importlib
import json
import re
import subprocess
import sys
import textwrap
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import measured
import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
# The oldest version that is claimed of each package.
LOWEST = dict(re.findall(r"^(\w+)>=([\d.]+)", "\n".join(PROJECT["dependencies"]), re.MULTILINE))
OUTCOMES = """
    import pytest

    @pytest.fixture
    def broken(): raise RuntimeError
    def test_passes(): pass
    def test_fails(): assert False
    def test_has_no_chance(broken): pass
    @pytest.mark.skip
    def test_is_skipped(): pass
"""


@pytest.fixture
def systems(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ModuleType]:
    """The script, with a page and data of its own."""
    monkeypatch.syspath_prepend(ROOT / "tests" / "systems")
    page = importlib.import_module("systems_page")
    monkeypatch.setattr(page, "STORED", tmp_path / "measured.json")
    monkeypatch.setattr(page, "PAGE", tmp_path / "page.md")
    page.PAGE.write_text(f"before\n{page.BEGIN}\nSTALE\n{page.END}\nafter\n")
    yield importlib.import_module("on_systems")


def minor(number: str) -> str:
    """ "3.14" of "3.14.2"."""
    return ".".join(number.removesuffix("t").split(".")[:2])


def stored() -> list[dict[str, Any]]:
    return json.loads((ROOT / "tests" / "systems" / "measured.json").read_text("utf-8"))


def test_the_page_says_what_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "tests" / "systems")
    page = importlib.import_module("systems_page")
    text = page.PAGE.read_text("utf-8")
    assert page.filled(text) == text


def test_what_is_kept_was_said_by_runs() -> None:
    for run in stored():
        assert set(run) == {"date", "tests", *measured.environment(), *measured.OUTCOMES, "failing"}
        assert datetime.date.fromisoformat(run["date"]) and run["tests"] in measured.SELECTIONS
        assert run["passed"] > (0 if run["tests"] == "first" else 1000)


def test_what_is_claimed_ran_without_a_failure() -> None:
    """Each Python, and each NumPy and Keras from the oldest to the newest that was met."""
    whole = [run for run in stored() if run["tests"] in ("core", "fast", "all") and not run["failed"]]
    prefix = "Programming Language :: Python :: "
    pythons = {c.removeprefix(prefix) for c in PROJECT["classifiers"] if c.startswith(f"{prefix}3.")}
    assert pythons - {minor(run["python"]) for run in whole} == set()
    for package in ("numpy", "keras"):
        ran = sorted({int(minor(run[package]).partition(".")[2]) for run in whole})
        assert ran == list(range(int(LOWEST[package].split(".")[1]), ran[-1] + 1)), package


def test_the_oldest_of_everything_ran_without_a_failure() -> None:
    oldest = {**LOWEST, "python": minor(PROJECT["requires-python"].removeprefix(">="))}
    fitting = [
        run
        for run in stored()
        if minor(run["python"]) == oldest["python"]
        and all(run[package] in (oldest[package], f"{oldest[package]}.0") for package in ("numpy", "keras"))
    ]
    assert [run["failed"] for run in fitting] == [0]


def test_what_failed_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing is explained that does not fail."""
    monkeypatch.syspath_prepend(ROOT / "tests" / "systems")
    page = importlib.import_module("systems_page")
    failures = [(run, test) for run in stored() for test in run["failing"]]
    assert [(run["system"], test) for run, test in failures if page.reason(run, test) is None] == []
    assert {why for _, _, why in page.EXPLAINED} == {page.reason(run, test) for run, test in failures}
    assert all(len(run["failing"]) == run["failed"] for run in stored())


def test_a_run_says_what_it_was(tmp_path: Path) -> None:
    """Of all tests of a folder that has the project's conftest; of single ones nothing."""
    folder = tmp_path / "tests"
    folder.mkdir()
    for name in ("at_hand.py", "conftest.py", "measured.py", "parts.py"):
        (folder / name).write_text((ROOT / "tests" / name).read_text("utf-8"))
    (folder / "test_outcomes.py").write_text(textwrap.dedent(OUTCOMES))
    (tmp_path / "pytest.ini").write_text("[pytest]\ntestpaths = tests\n")

    def said(*arguments: str) -> list[dict[str, Any]]:
        command = [sys.executable, "-m", "pytest", "-n0", "-p", "no:cacheprovider", *arguments]
        return measured.read(
            subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False).stdout
        )

    (found,) = said("-q")
    assert found == {
        "date": found["date"],
        "tests": "all",
        **measured.environment(),
        "passed": 1,
        "failed": 2,
        "skipped": 1,
        "failing": [f"tests/test_outcomes.py::{name}" for name in ("test_fails", "test_has_no_chance")],
    }
    assert said("-k", "passes") == said("tests/test_outcomes.py") == said("-x") == []
    assert said("-m", "not slow and not network", "--ignore=tests/upstream")[0]["tests"] == "fast"


def test_a_log_is_kept_and_shown(systems: ModuleType, tmp_path: Path) -> None:
    import systems_page as page

    log = tmp_path / "log.txt"
    for passed in (2000, 3000):  # of the same kind the newer one stays
        log.write_text(
            f"...\n{measured.line('all', {'passed': passed, 'xfailed': 3})}\n= {passed} passed in 1.0s =\n"
        )
        assert systems.main(["--log", str(log)]) == 0
    (run,) = page.stored()
    assert (run["passed"], run["failed"], run["tests"]) == (3000, 0, "all")
    text = page.PAGE.read_text()
    assert text.startswith("before\n") and text.endswith("\nafter\n") and "STALE" not in text
    assert (
        f"| {run['keras']} | {run['python']} | {run['numpy']} | {run['system']} | all | 3000 | 0 | 0 |"
        in text
    )


def test_the_oldest_versions_are_those_that_are_required(systems: ModuleType) -> None:
    assert [one.partition("==")[0] for one in systems.oldest()] == [
        re.split("[<>=]", requirement)[0] for requirement in PROJECT["dependencies"]
    ]
    assert all(re.fullmatch(r"[a-z0-9]+==[\d.]+", one) for one in systems.oldest())


def other_python() -> str | None:
    """The newest other Python of this machine that is supported."""
    from places import interpreter

    prefix = "Programming Language :: Python :: "
    claimed = [c.removeprefix(prefix) for c in PROJECT["classifiers"] if c.startswith(f"{prefix}3.")]
    others = [python for python in reversed(claimed) if python != f"3.{sys.version_info.minor}"]
    return next(filter(interpreter, others), None)


@pytest.mark.network
def test_another_python(systems: ModuleType, tmp_path: Path) -> None:
    """A part of the core that takes less than a minute, on the newest other Python that this machine has."""
    python = other_python()
    if python is None:
        pytest.skip("this machine has no other Python that kerasflow supports")
    log = tmp_path / "log.txt"
    case = systems.Case("here", python, ("numpy", "keras"))
    try:
        (run,) = systems.measure(case, systems.Here(tmp_path), "short", log)
    except RuntimeError as error:
        if "from versions: none" in log.read_text():
            pytest.skip("the package index cannot be reached")
        raise AssertionError(f"{error}\n{log.read_text()[-3000:]}") from None
    assert run["python"].startswith(f"{python}.")
    assert not run["failed"] and run["passed"] > 1000, log.read_text()[-3000:]
