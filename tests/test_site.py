"""The site that mkdocs makes of docs/: it works without a network, speaks each page's language, and is up to date."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("mkdocs")
yaml = pytest.importorskip("yaml")

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("built") / "site"
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return folder


def pages(site):
    return {path.relative_to(site).as_posix(): path.read_text("utf-8") for path in site.rglob("*.html")}


def test_each_document_is_a_page_and_what_makes_them_is_not(site):
    made = {path.relative_to(site).with_suffix("").as_posix() for path in site.rglob("*.html")}
    assert made - {"404"} == {
        path.relative_to(DOCS).with_suffix("").as_posix() for path in DOCS.rglob("*.md")
    }
    assert not [*site.rglob("*.py"), *site.rglob("*.pyc")]


def test_nothing_is_fetched_from_a_network(site):
    fetching = re.compile(
        r'<(?:script|img|iframe|source)[^>]*\ssrc(?:set)?="(https?:[^"]*)|<link(?=[^>]*rel="(?:stylesheet|preconnect|icon)")'
        r'[^>]*href="(https?:[^"]*)'
    )
    found = {name: fetching.findall(text) for name, text in pages(site).items()}
    assert not {name: hits for name, hits in found.items() if hits}


def test_a_page_of_a_folder_can_search(site):
    """Of a folder, browsers load scripts only, and start no workers: both have to be there as scripts."""
    config = json.loads((site / "search" / "search_index.json").read_text("utf-8"))
    script = (site / "search" / "search_index.js").read_text("utf-8")
    assert json.loads(script.removeprefix("var __index = ")) == config
    for name, text in pages(site).items():
        scripts = re.findall(r'<script src="([^"]+)"', text)
        assert [Path(script).name.partition(".")[0] for script in scripts] == [
            "iframe-worker",
            "chinese-search",
            "bundle",  # Material's, which starts the worker
        ]
        assert name == "404.html" or all(
            (site / name).parent.joinpath(script).exists() for script in scripts
        ), name
    assert "window.IFrameWorker=" in (site / "iframe-worker.js").read_text("utf-8")


def words(index, language):
    """What the search would have as words of a language's documents: its separator, on their text."""
    separator = re.compile(index["config"]["separator"])
    texts = [doc["text"] for doc in index["docs"] if doc["location"].startswith(f"{language}/")]
    return [word for text in texts for word in separator.split(re.sub("<[^>]+>", " ", text)) if word]


def test_chinese_characters_are_found_each_by_itself(site):
    index = json.loads((site / "search" / "search_index.json").read_text("utf-8"))
    found = words(index, "zh")
    # 后端 (backend), 导出 (export), 随机 (random)
    assert set("后端导出随机") < set(found)
    assert not [word for word in found if len(word) > 1 and re.search("[\u3400-\u9fff]", word)]
    assert {"kerasflow", "NumPy"} < set(found), "words of other scripts stay whole"
    assert index["config"]["pipeline"] == ["stopWordFilter"], "Lunr's trimmer would take Chinese words away"


@pytest.mark.parametrize(
    ("page", "language", "search"), [("index", "en", "Search"), ("zh/index", "zh", "搜索")]
)
def test_a_page_says_its_language(site, page, language, search):
    text = (site / f"{page}.html").read_text("utf-8")
    assert re.search(r'<html lang="(\w+)"', text)[1] == language
    assert f'placeholder="{search}"' in text


def test_the_language_does_not_leak_into_the_page_behind(monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS / "hooks"))
    import languages

    config = SimpleNamespace(theme={})
    for path, language in (("zh/index.md", "zh"), ("api.md", "en"), ("zh/a/b.md", "zh"), ("zhang.md", "en")):
        languages.on_page_context({}, SimpleNamespace(file=SimpleNamespace(src_uri=path)), config, None)
        assert config.theme == {"language": language}


def test_chinese_headings_have_names_of_their_own(site):
    assert 'id="找出慢在哪里"' in (site / "zh" / "index.html").read_text("utf-8")


def test_pictures_follow_the_button_for_light_and_dark(site):
    """`<picture>` would ask the system, which may have it otherwise than the button says."""
    for name, text in pages(site).items():
        assert "<picture" not in text, name
    home = (site / "index.html").read_text("utf-8")
    shown = re.findall(r'src="(pictures/[\w-]+\.svg)#only-(light|dark)"', home)
    assert len(shown) >= 8
    for light, dark in zip(shown[::2], shown[1::2], strict=True):
        assert (light[1], dark[1]) == ("light", "dark")
        assert dark[0] == light[0].replace("-light", "-dark")
        assert (site / light[0]).exists()
        assert (site / dark[0]).exists()


def test_error_messages_wrap_and_columns_do_not(site):
    """site.css lets the class `message` wrap, which error messages have and no table."""
    assert re.search(r"\.message\S* code \{\s*white-space: pre-wrap", (site / "site.css").read_text("utf-8"))
    blocks = {"message": [], "other": []}
    for text in pages(site).values():
        for marks, block in re.findall(
            r'<div class="language-text([^"]*)highlight">(.*?)</div>', text, re.DOTALL
        ):
            blocks["message" if "message" in marks.split() else "other"].append(re.sub("<[^>]+>", "", block))
    assert len(blocks["message"]) > 40
    assert not [block for block in blocks["message"] if re.search(r"\S {3,}\S", block.splitlines()[0])]
    assert not [block for block in blocks["other"] if re.match(r"[\w.]+Error: ", block.strip())]


def made_anew(page: str) -> str:
    """docs/settings.md as its program writes it, where no variable of the environment is set."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("KERASFLOW_")}
    code = "import sys, settings; sys.stdout.buffer.write(settings.filled(sys.stdin.buffer.read().decode()).encode())"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=DOCS,
        env=kept,
        input=page.encode(),
        stdout=subprocess.PIPE,
        check=True,
    )
    return done.stdout.decode()


def test_the_page_of_settings_is_up_to_date():
    page = (DOCS / "settings.md").read_text("utf-8")
    assert made_anew(page) == page, "run `python docs/settings.py`"


def test_a_page_of_settings_that_is_not_up_to_date_is_found():
    page = (DOCS / "settings.md").read_text("utf-8")
    for wrong in (page.replace("--epochs N", "--rounds N"), page.replace("`128`", "`64`")):
        assert wrong != page
        assert made_anew(wrong) == page


def test_every_variable_of_the_environment_is_on_the_page():
    page = (DOCS / "settings.md").read_text("utf-8")
    texts = [
        path.read_text("utf-8") for folder in ("src", "backends") for path in (ROOT / folder).rglob("*.py")
    ]
    texts += [path.read_text("utf-8") for path in (ROOT / "notebooks").glob("*.ipynb")]
    used = {name for text in texts for name in re.findall(r"KERASFLOW_[A-Z_]*[A-Z]", text)}
    assert {"KERASFLOW_BACKEND", "KERASFLOW_VERIFY"} < used
    assert not [name for name in sorted(used) if f"`{name}`" not in page]


def test_what_is_said_of_others_is_measured():
    """Every figure of docs/versus.md with a unit, or in a table of ratios, is one of the performance page or README."""
    measured = (DOCS / "performance.md").read_text("utf-8") + (ROOT / "README.md").read_text("utf-8")
    page = (DOCS / "versus.md").read_text("utf-8")
    figures = re.findall(r"\b\d+(?:\.\d+)? (?:MB|ms|s)\b|\b\d\.\d\d\b", page)
    assert len(figures) > 25
    assert not [figure for figure in figures if not re.search(rf"(?<![\d.]){re.escape(figure)}\b", measured)]


def ratios(page: str, column: str) -> dict[tuple[str, str], str]:
    """What the performance page's tables have in a column of "kerasflow / other", by network and other."""
    tables = re.findall(r"^\| (\w+) +\| import \|(.*)\n((?:\|.*\n)+)", page, re.MULTILINE)
    found = {}
    for network, heads, rows in tables:
        place = [head.strip() for head in heads.split("|")].index(column)
        for other, cells in re.findall(r"^\| kerasflow / (\w+) +\|(.*)", rows, re.MULTILINE):
            found[network, other] = cells.split("|")[1 + place].strip()
    return found


@pytest.mark.parametrize(
    ("table", "column"), [("whole process", "whole process"), ("an epoch, once compiled", "steady epoch")]
)
def test_each_ratio_is_that_of_its_network(table, column):
    measured = ratios((DOCS / "performance.md").read_text("utf-8"), column)
    page = (DOCS / "versus.md").read_text("utf-8")
    heads, rows = re.search(rf"^\| {table} +\|(.*)\n.*\n((?:\|.*\n)+)", page, re.MULTILINE).groups()
    names = {"on TensorFlow": "tensorflow", "on JAX": "jax", "on PyTorch": "torch"}
    said = {
        (network.strip(), names[row.split("|")[1].strip()]): cell.strip()
        for row in rows.splitlines()
        for network, cell in zip(heads.split("|"), row.split("|")[2:], strict=True)
        if cell.strip()
    }
    assert len(said) == 14
    assert said == {key: measured[key] for key in said}
