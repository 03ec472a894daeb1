"""Keras's own test suite on kerasflow: each of its folders passes, but for what `exclusions.py` gives reasons for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from processes import one_each
from run import keras_folder, missing, run

FOLDERS = sorted(
    {path.relative_to(keras_folder()).parts[0] for path in keras_folder().rglob("*_test.py")}
    - {"applications"}
)

# How many tests the smallest supported environment has; fewer mean that some were not found.
AT_LEAST = 13_000


# What takes a quarter of the time of all: outside of a program, convolutions with windows of hundreds of samples.
_SPECTROGRAM = "layers/preprocessing/stft_spectrogram_test.py::TestSpectrogram::test_spectrogram"
SLOW = (f"{_SPECTROGRAM}_basics", f"{_SPECTROGRAM}_channels_first")


@pytest.fixture(scope="session")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., list[dict[str, Any]]]:
    """Runs tests of the suite."""
    if packages := missing():
        pytest.skip(f"Keras's suite needs packages that are not installed: {', '.join(packages)}")

    def outcomes(*paths: str, **options: Any) -> list[dict[str, Any]]:
        log = tmp_path_factory.mktemp("suite") / "log.txt"
        with log.open("w") as output:
            try:
                return run(paths, log=output, **options)
            except RuntimeError as error:
                pytest.fail(f"{error}\n{log.read_text()[-5000:]}")

    return outcomes


@pytest.fixture(scope="session")
def results(outcomes: Callable[..., list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    """The outcomes of a run of the whole suite but for what is slow, by folder."""
    by_folder = defaultdict(list)
    # One process, beside that which other tests run in: collecting the suite takes each a while.
    for result in outcomes(workers=1, without=SLOW):
        by_folder[Path(result["test"].partition("::")[0]).parts[0]].append(result)
    return by_folder


def assert_passed(results: list[dict[str, Any]]) -> None:
    assert results, "no test was found"
    failed = [r for r in results if r["outcome"] == "failed"]
    assert not failed, "\n".join(f"{r['test']}: {r['reason'][:500]}" for r in failed)


@pytest.mark.parametrize("folder", FOLDERS)
def test_folder(folder: str, results: dict[str, list[dict[str, Any]]]) -> None:
    assert_passed(results[folder])


@pytest.mark.slow
@pytest.mark.parametrize("test", SLOW)
def test_slow(test: str, outcomes: Callable[..., list[dict[str, Any]]]) -> None:
    assert_passed(outcomes(test, workers=1))


def test_the_suite_is_complete(results: dict[str, list[dict[str, Any]]]) -> None:
    assert sum(map(len, results.values())) > AT_LEAST


def test_a_test_counts_once() -> None:
    reports = [
        {"test": t, "outcome": o}
        for t, o in (("a", "passed"), ("b", "passed"), ("b", "failed"), ("b", "passed"))
    ]
    assert one_each(reports) == [reports[0], reports[2]]
