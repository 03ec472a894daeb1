"""The pictures in docs/pictures: made of what is there now."""

from __future__ import annotations

import html
import re
from pathlib import Path
from types import ModuleType

import pytest
from imported import imported

FOLDER = Path(__file__).parents[1] / "docs" / "pictures"


@pytest.fixture(scope="module")
def make() -> ModuleType:
    pytest.importorskip("matplotlib")
    return imported(FOLDER / "make.py")


def words(picture: str) -> list[str]:
    """The text in a picture."""
    return [
        html.unescape(re.sub(r"<[^>]+>", "", found)).replace("\xa0", " ").strip()
        for found in re.findall(r"<text.*?</text>", picture, re.DOTALL)
    ]


def stored(name: str, mode: str) -> str:
    return (FOLDER / f"{name}-{mode}.svg").read_text("utf-8")


@pytest.mark.parametrize("name", ["architecture", "program", "benchmark", "graph"])
def test_it_is_what_would_be_drawn_now(name: str, make: ModuleType) -> None:
    found = words(make.STEADY[name]("light"))
    assert found and words(stored(name, "light")) == found, "python docs/pictures/make.py"


def test_every_picture_is_there_twice_and_nothing_else(make: ModuleType) -> None:
    names = {f"{name}-{mode}.svg" for name in {**make.STEADY, **make.MEASURED} for mode in make.MODES}
    assert {path.name for path in FOLDER.glob("*.svg")} == names
    for name in {**make.STEADY, **make.MEASURED}:
        light, dark = (stored(name, mode) for mode in ("light", "dark"))
        # Colours part the same text in other places; two profiles may order layers otherwise.
        assert figureless(light) == figureless(dark)
        assert "http" not in re.sub(
            r'xmlns(:\w+)?="[^"]+"|<!.*?>|<metadata>.*?</metadata>', "", light, flags=re.DOTALL
        )


def figureless(picture: str) -> list[str]:
    """The letters of a picture, without its figures."""
    return sorted(re.sub(r"[^A-Za-z]+", "", "".join(words(picture))))


def test_the_recorded_terminal_is_that_of_the_command() -> None:
    text = " ".join(words(stored("mnist", "light")))
    assert "kerasflow mnist --epochs 5" in text and "Epoch 5/5" in text
    assert re.search(r"test loss 0\.\d+ +test accuracy 0\.9\d+", text)
