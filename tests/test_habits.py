"""What contributors and CI go by agrees: commands, versions, and the files that the guide names."""

from __future__ import annotations

import importlib.util
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

import kerasflow

ROOT = Path(__file__).parents[1]


def text(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def fences(page: str) -> list[str]:
    """The command blocks of a page: those behind three backquotes without a language."""
    return re.findall(r"^```\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


def job() -> dict[str, Any]:
    """The one job of the workflow."""
    (only,) = yaml.safe_load(text(".github/workflows/ci.yml"))["jobs"].values()
    return only


def test_the_version_to_cite_is_the_version() -> None:
    citation = yaml.safe_load(text("CITATION.cff"))
    assert citation["version"] == kerasflow.__version__
    assert citation["license"] == tomllib.loads(text("pyproject.toml"))["project"]["license"]


def test_a_commit_runs_the_linters_of_ci() -> None:
    steps = re.findall(r"^step (.+)$", text(".ci/run"), re.MULTILINE)
    linters = [step for step in steps if not step.startswith(("mkdocs ", "bash "))]
    hooks = [
        hook for repo in yaml.safe_load(text(".pre-commit-config.yaml"))["repos"] for hook in repo["hooks"]
    ]
    assert [hook["entry"] for hook in hooks] == linters
    # By versions of their own, or for some files only, they would not be the same.
    assert all(hook["language"] == "system" and not hook["pass_filenames"] for hook in hooks)


def test_ci_runs_every_python_that_is_claimed() -> None:
    project = tomllib.loads(text("pyproject.toml"))["project"]
    prefix = "Programming Language :: Python :: 3."
    claimed = [c.removeprefix(prefix) for c in project["classifiers"] if c.startswith(prefix)]
    assert job()["strategy"]["matrix"]["python"] == [f"3.{minor}" for minor in claimed]
    assert project["requires-python"] == f">=3.{claimed[0]}"


def test_ci_runs_the_two_commands_of_the_readme() -> None:
    first, second = (block.strip() for block in fences(text("README.md"))[:2])
    assert f"{{ {second}; }}" in text(".ci/run")
    assert [step["run"] for step in job()["steps"] if "run" in step] == ["bash .ci/run", first, second]


def paths(page: str) -> Iterator[str]:
    """What a page's commands, its other code and its links name that looks like a file or a folder."""
    commands = "".join(fences(page)).splitlines()
    prose = re.sub(r"^```.*?^```$", "", page, flags=re.MULTILINE | re.DOTALL)
    words = [
        word
        for line in commands + re.findall("`([^`]+)`", prose)
        for word in shlex.split(line, comments=True)
    ]
    links = re.findall(r"\]\(([^)#]+)", prose)
    for word in words + links:
        path = word.rpartition("=")[2]  # of --ignore=tests/upstream
        if "/" in path and "://" not in path and not path.startswith(".venv/"):
            yield path


def test_the_guide_for_contributors_names_what_there_is() -> None:
    keras = importlib.util.find_spec("keras")
    assert keras is not None and keras.origin is not None
    places = (ROOT, Path(keras.origin).parent / "src")  # tests/upstream/run.py takes paths of Keras's own
    named = sorted(set(paths(text("CONTRIBUTING.md"))))
    assert {"tests/graph", "tests/upstream", "docs/architecture.md"} <= set(named)
    assert not [path for path in named if not any((place / path).exists() for place in places)]
