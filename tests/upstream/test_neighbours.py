"""The runner of libraries' first examples, on examples of a line; and that the page says what is stored."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import neighbour_report
import neighbours
import pytest
from neighbour_table import NEIGHBOURS, Neighbour

EXAMPLES = """
import sys, time
import keras

def works(folder):
    assert keras.config.backend() == "numpy" and "kerasflow" in sys.modules
    (folder / "file").write_text("")

def fails(folder):
    raise ValueError("Backend 'numpy' is not supported\\nby this library")

def leaves(folder):
    sys.exit(0)

def hangs(folder):
    time.sleep(600)
"""


def attempted(
    function: str, folder: Path, monkeypatch: pytest.MonkeyPatch, seconds: int = 300
) -> tuple[Neighbour, dict]:
    """What becomes of a function of `EXAMPLES`, in this environment."""
    (folder / "tiny_examples.py").write_text(EXAMPLES)
    monkeypatch.setattr(neighbours, "HERE", folder)
    monkeypatch.setattr(neighbours, "environment", lambda *_: Path(sys.executable))
    neighbour = Neighbour("tiny", "tests", ("pytest>=1",), function, module="tiny_examples")
    return neighbour, neighbours.attempt(neighbour, folder, seconds)


def test_what_becomes_of_an_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    neighbour, found = attempted("works", tmp_path, monkeypatch)
    assert found["error"] == "" and found["versions"]["pytest"] == pytest.__version__
    assert set(neighbours.OURS) < set(found["versions"]) and neighbours.judged(neighbour, found) == ""
    neighbour, found = attempted("fails", tmp_path, monkeypatch)
    assert found["error"] == "ValueError: Backend 'numpy' is not supported"
    assert neighbours.judged(neighbour, found) == found["error"]
    # A library that ends the process has not come to the end of its example.
    assert attempted("leaves", tmp_path, monkeypatch)[1]["error"] == "it ended with 0"


def test_an_example_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert attempted("hangs", tmp_path, monkeypatch, seconds=1)[1]["error"] == "not done after 1 seconds"


def test_a_result_that_the_table_does_not_expect_is_named() -> None:
    refuses = Neighbour("tiny", "tests", ("tiny",), "works", because="it asks for JAX", error="Backend")
    assert neighbours.judged(refuses, {"error": "ValueError: Backend 'numpy'"}) == ""
    assert "it asks for JAX" in neighbours.judged(refuses, {"error": ""})
    assert neighbours.judged(refuses, {"error": "TypeError: another"}) == "TypeError: another"


def test_what_cannot_be_installed_is_a_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def environment(*_: object) -> Path:
        raise neighbours.subprocess.CalledProcessError(1, "uv", stderr="hint\n  it requires numpy<2\n")

    monkeypatch.setattr(neighbours, "environment", environment)
    found = neighbours.attempt(Neighbour("tiny", "tests", ("tiny",), "works"), tmp_path, 1)
    assert found["error"] == "it requires numpy<2" and found["versions"] == {}


def test_each_row_has_an_example_and_a_result_that_it_expects() -> None:
    results = neighbour_report.stored()
    assert set(results) == {neighbour.name for neighbour in NEIGHBOURS}
    for neighbour in NEIGHBOURS:
        assert neighbour_report.tried(neighbour), neighbour.name
        assert neighbours.judged(neighbour, results[neighbour.name]) == "", neighbour.name


def test_the_words_of_a_row() -> None:
    found = {"error": "", "on": "2026-01-02", "versions": {"tiny": "1.0", "tensorflow": True}}
    works = Neighbour("Tiny", "tests", ("tiny[all]<2",), "shap", note="slowly")
    assert neighbour_report.outcome(works, found) == "works with TensorFlow installed, slowly"
    assert neighbour_report.outcome(works, found | {"versions": {"tensorflow": False}}) == "works, slowly"
    refuses = Neighbour("Tiny", "tests", ("tiny",), "shap", because="it asks for JAX")
    assert neighbour_report.outcome(refuses, found | {"error": "ValueError"}) == "no: it asks for JAX"
    name = NEIGHBOURS[0].name
    page = neighbour_report.section({name: found | {"versions": {"keras": "3.15.1", "tensorflow": False}}})
    assert f"| {name} |" in page and "1 of 1 work" in page and "keras 3.15.1" in page


def test_what_is_kept_is_added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbour_report, "STORED", tmp_path / "stored.json")
    for name in ("b", "a"):
        neighbour_report.keep(name, {"error": ""})
    assert list(json.loads((tmp_path / "stored.json").read_text())) == ["a", "b"]
