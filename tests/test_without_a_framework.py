"""All of Keras without any framework: docs/compatibility.md says what ran where, of every public name."""

from __future__ import annotations

import datetime
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import keras
import pytest

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "tests" / "bare"


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(FOLDER)
    import bare_page

    yield bare_page


@pytest.fixture
def uses(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(FOLDER)
    import all_uses

    yield all_uses


def calls(*names: str) -> dict[str, Any]:
    """What is said of these names in this environment."""
    command = [sys.executable, str(FOLDER / "call_all.py"), *names]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_page_says_what_is_kept(page: ModuleType) -> None:
    text = page.PAGE.read_text("utf-8")
    assert page.filled(text) == text
    assert datetime.date.fromisoformat(page.stored()["date"])


def test_every_public_name_has_a_use_and_a_row(page: ModuleType, uses: ModuleType) -> None:
    assert uses.MISSING == uses.UNKNOWN == []
    stored = page.stored()
    if stored["versions"]["keras"].rpartition(".")[0] != keras.__version__.rpartition(".")[0]:
        pytest.skip("the table is of another Keras, which has other names")
    assert {name: others for name, (others, _) in stored["names"].items() if name in uses.NAMES} == uses.NAMES
    assert set(stored["names"]) == set(uses.USES)


def test_each_layer_and_utility_is_on_the_page(page: ModuleType) -> None:
    text = page.section()
    for module in (keras.layers, keras.utils):
        names = [name for name, thing in vars(module).items() if not name.startswith("_") and callable(thing)]
        assert len(names) > 30
        assert not [name for name in names if f"`{name}`" not in text]


def test_what_ran_nowhere_has_a_reason_and_is_about_a_framework(page: ModuleType) -> None:
    nowhere = {name for name, (_, ran_with) in page.stored()["names"].items() if ran_with is None}
    assert nowhere == set(page.REASONS)
    assert len(nowhere) < 10


def test_an_error_is_told() -> None:
    """A name that works, and one that no environment of ours has what it asks for."""
    found = calls("keras.layers.Dense", 'keras.Model.export(format="openvino")', "keras.utils.get_file")[
        "found"
    ]
    assert found.pop('keras.Model.export(format="openvino")').startswith("ExportError: ")
    assert found == {"keras.layers.Dense": None, "keras.utils.get_file": None}
