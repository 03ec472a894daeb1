"""Keras's own test suite on kerasflow: each of its folders passes, but for what `exclusions.py` gives reasons for."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from run import keras_folder, missing, one_each, run

FOLDERS = sorted(
    {path.relative_to(keras_folder()).parts[0] for path in keras_folder().rglob("*_test.py")}
    - {"applications"}
)

# How many tests the smallest supported environment has; fewer mean that some were not found.
AT_LEAST = 13_000


@pytest.fixture(scope="session")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    """The outcomes of a run of the whole suite, by folder."""
    if packages := missing():
        pytest.skip(f"Keras's suite needs packages that are not installed: {', '.join(packages)}")
    log = tmp_path_factory.mktemp("suite") / "log.txt"
    with log.open("w") as output:
        try:
            found = run(log=output)
        except RuntimeError as error:
            pytest.fail(f"{error}\n{log.read_text()[-5000:]}")
    by_folder = defaultdict(list)
    for result in found:
        by_folder[Path(result["test"].partition("::")[0]).parts[0]].append(result)
    return by_folder


@pytest.mark.slow
@pytest.mark.parametrize("folder", FOLDERS)
def test_folder(folder: str, results: dict[str, list[dict[str, Any]]]) -> None:
    assert results[folder], "no test was found"
    failed = [r for r in results[folder] if r["outcome"] == "failed"]
    assert not failed, "\n".join(f"{r['test']}: {r['reason'][:500]}" for r in failed)


@pytest.mark.slow
def test_the_suite_is_complete(results: dict[str, list[dict[str, Any]]]) -> None:
    assert sum(map(len, results.values())) > AT_LEAST


def test_a_test_counts_once() -> None:
    reports = [
        {"test": t, "outcome": o}
        for t, o in (("a", "passed"), ("b", "passed"), ("b", "failed"), ("b", "passed"))
    ]
    assert one_each(reports) == [reports[0], reports[2]]
