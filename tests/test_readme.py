"""The README: its code runs in order, its links and pictures are there, its figures are those of the benchmarks."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path

import at_hand
import pages
import pytest

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
TEXT = README.read_text("utf-8")
HOME = "https://github.com/kerasflow/kerasflow/blob/main/"
RAW = "https://raw.githubusercontent.com/kerasflow/kerasflow/main/"
NEEDS = "# needs pip install"
# What an environment with the package alone does not have.
EXTRAS = ("matplotlib", "onnx", "onnxruntime", "tensorflow", "pytensor", "sklearn", "jax")


@pytest.fixture
def environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("KERAS")}
    return {**kept, "MPLBACKEND": "Agg", "PYTHONUTF8": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}


def test_its_blocks_run_in_order(environment: dict[str, str], tmp_path: Path) -> None:
    at_hand.skip_without_those_of(pages.program(README))
    assert not (problems := pages.problems(README, env=environment, cwd=tmp_path)), "\n".join(problems)


def test_what_needs_more_than_the_package_says_so(environment: dict[str, str], tmp_path: Path) -> None:
    """The others run where nothing else can be imported."""
    for name in EXTRAS:
        (tmp_path / "without" / name).mkdir(parents=True)
        (tmp_path / "without" / name / "__init__.py").write_text(f"raise ImportError('no {name} here')")
    environment["PYTHONPATH"] = os.pathsep.join(
        filter(None, [str(tmp_path / "without"), environment.get("PYTHONPATH")])
    )
    plain = [block for block in pages.blocks(TEXT) if not block.code.startswith(NEEDS)]
    page = tmp_path / "plain.md"
    page.write_text("".join(f"```python\n{block.code}```\n" for block in plain), "utf-8")
    assert len(plain) >= 5
    assert not (problems := pages.problems(page, env=environment, cwd=tmp_path)), "\n".join(problems)


def test_links_are_absolute_and_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", TEXT)
    assert len(links) > 10 and not [link for link in links if not link.startswith(HOME)]
    for link in links:
        path, _, anchor = link.removeprefix(HOME).partition("#")
        assert (ROOT / path).exists(), link
        if anchor:
            headings = re.findall(r"^#+ (.+)$", (ROOT / path).read_text("utf-8"), re.MULTILINE)
            assert anchor in [re.sub(r"[^\w -]", "", h).lower().replace(" ", "-") for h in headings], link


def test_it_is_where_the_package_says() -> None:
    urls = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["urls"]
    assert f"{urls['Repository']}/blob/main/" == HOME
    for url in urls.values():
        assert not url.startswith(HOME) or (ROOT / url.removeprefix(HOME)).is_file()


def test_pictures_are_there_for_light_and_dark_pages() -> None:
    shown = re.findall(r'(?:srcset|src)="([^"]+)"', TEXT)
    assert len(shown) >= 8 and all(url.startswith(RAW) for url in shown)
    assert all((ROOT / url.removeprefix(RAW)).is_file() for url in shown)
    assert {url.replace("-dark", "-light") for url in shown} == {url for url in shown if "-light" in url}


def test_its_figures_are_the_benchmarks() -> None:
    measured = (ROOT / "docs" / "performance.md").read_text("utf-8")
    (table,) = re.findall(r"^\| import .*?(?=^\| another)", TEXT, re.MULTILINE | re.DOTALL)
    figures = re.findall(r"[\d.]+ (?:s|MB)\b", table)
    assert len(figures) == 12
    assert not [figure for figure in figures if figure not in measured]
