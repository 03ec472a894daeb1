"""The runner of libraries' suites, on a library of one file: what passes where, and what the page says of it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import differences
import libraries
import library_report
import pytest
from libraries import LIBRARIES, Library, missing
from run import missing as missing_for_keras

TESTS = """
    import time

    import keras
    import numpy as np
    import pytest

    backend = keras.config.backend()


    def test_passes_everywhere():
        assert np.asarray(keras.ops.add(1.0, 2.0)) == 3.0


    def test_of_a_framework():
        assert backend == "jax"


    @pytest.mark.parametrize("kind", ["ragged", "sparse"])
    def test_of_a_kind(kind):
        if backend != "jax":
            pytest.skip(f"{kind} not supported on {backend}")


    @pytest.mark.skipif(backend != "jax", reason="tests only run on tf backend")
    def test_that_is_lifted():
        assert keras.layers.Dense(2)(np.ones((1, 3))).shape == (1, 2)


    @pytest.mark.skipif(backend != "jax", reason="the moon is new")
    def test_that_is_skipped():
        pass


    def test_that_hangs():
        time.sleep(60)


    def test_session():
        pytest.skip("Not a test.")
"""


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A checkout of a library, and the folder with what became of its tests on JAX, on TensorFlow and here."""
    if packages := missing_for_keras():
        pytest.skip(f"the suites need packages that are not installed: {', '.join(packages)}")
    checkout, into = tmp_path_factory.mktemp("tiny"), tmp_path_factory.mktemp("outcomes")
    (checkout / "tiny").mkdir()
    (checkout / "tiny" / "tiny_test.py").write_text(TESTS.replace("\n    ", "\n"))
    (checkout / "tiny" / "broken_test.py").write_text("import no_such_package\n")
    git = ["git", "-C", str(checkout), "-c", "user.name=n", "-c", "user.email=e@e"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "tiny"]):
        subprocess.run([*git, *command], check=True)
    for backend in ("jax", "kerasflow"):
        file = into / f"tiny-{backend}.jsonl"
        libraries.run(Library("tiny"), checkout, backend, seconds=3, results=file)
    (into / "tiny-tensorflow.jsonl").write_text((into / "tiny-jax.jsonl").read_text())
    return checkout, into


def outcomes(into: Path, backend: str) -> dict[str, str]:
    found = library_report.outcomes(into, "tiny")[backend]
    return {
        test.removeprefix("tiny/tiny_test.py::test_"): result["outcome"] for test, result in found.items()
    }


def test_what_becomes_of_each_test(tiny: tuple[Path, Path]) -> None:
    stock = {
        "tiny/broken_test.py": "failed",
        "passes_everywhere": "passed",
        "of_a_framework": "passed",
        "of_a_kind[ragged]": "passed",
        "of_a_kind[sparse]": "passed",
        "that_is_lifted": "passed",
        "that_is_skipped": "passed",
        "that_hangs": "failed",
    }
    assert outcomes(tiny[1], "jax") == stock
    assert outcomes(tiny[1], "kerasflow") == stock | {
        "of_a_framework": "failed",
        "of_a_kind[ragged]": "skipped",
        "of_a_kind[sparse]": "skipped",
        "that_is_skipped": "skipped",
    }


def test_the_summary_and_the_causes(
    tiny: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    checkout, into = tiny
    found = library_report.summary(into, "tiny", checkout)
    assert found["run"] == {"jax": 8, "tensorflow": 8, "kerasflow": 8}
    assert found["passed"] == {"jax": 6, "tensorflow": 6, "kerasflow": 2} and found["stock"] == 6
    assert [test.partition("::test_")[2] for test in found["differences"]] == [
        "of_a_framework", "of_a_kind[ragged]", "of_a_kind[sparse]", "that_is_skipped"
    ]  # fmt: skip
    page, stored = tmp_path / "page.md", tmp_path / "stored.json"
    page.write_text("before\n")
    monkeypatch.setattr(library_report, "PAGE", page)
    monkeypatch.setattr(library_report, "STORED", stored)
    # Two of them no table knows: nothing is written.
    assert library_report.write("tiny", found) == 1
    assert "no cause" in capsys.readouterr().out
    assert page.read_text() == "before\n" and not stored.exists()
    known = {
        "it asks for JAX": ["tiny/tiny_test.py::test_of_a_framework"],
        "the moon": ["tiny/tiny_test.py::test_that_is_skipped"],
    }
    monkeypatch.setitem(differences.DIFFERENCES, "tiny", known)
    for _ in range(2):  # Written twice, it is there once.
        assert library_report.write("tiny", found) == 0
    text = page.read_text()
    assert text.startswith("before\n") and text.count(library_report.HEADING) == 1
    assert "| `tiny` | it asks for JAX | 1 | `tiny_test.py` (1) |" in text
    assert (
        "| `tiny` | the tests make ragged tensors, or sparse ones of TensorFlow's or JAX's own | 2 |" in text
    )


def test_the_page_says_what_is_stored_and_why() -> None:
    for library, found in library_report.stored().items():
        assert library in LIBRARIES
        for test, reason in found["differences"].items():
            assert library_report.cause(library, test, reason), f"differences.py has no cause for {test}"
    assert library_report.PAGE.read_text().endswith(library_report.section(library_report.stored()))


def test_the_tables_name_differences_only() -> None:
    for library, causes in differences.DIFFERENCES.items():
        named = {name for tests in causes.values() for name in tests}
        found = {
            name
            for test in library_report.stored()[library]["differences"]
            for name in library_report.names(test)
        }
        assert named <= found, f"differences.py names what is none: {sorted(named - found)}"


def test_a_library_that_is_not_there_is_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    absent = Library("tiny", needs=("no_such_package", "json"))
    assert missing(absent) == ["no_such_package"]
    monkeypatch.setitem(LIBRARIES, "tiny", absent)
    assert libraries.main(["tiny", str(tmp_path), "--into", str(tmp_path)]) == 0
    assert "no_such_package" in capsys.readouterr().out and not list(tmp_path.iterdir())
