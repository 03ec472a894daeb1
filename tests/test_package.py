"""What is published: the wheel and the sdist have what they should. `.ci/package` installs and tries them."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

import kerasflow

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PACKAGES = [ROOT / name for name in PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist and the wheel, built without a package index."""
    pytest.importorskip("hatchling", reason="what builds the package, hatchling, is not installed")
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
    finished = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> dict[str, str]:
    """What each file of the wheel says, by its name."""
    (path,) = built.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


def test_the_wheel_has_the_packages_whole_and_nothing_else(wheel: dict[str, str]) -> None:
    packages = {
        file.relative_to(package.parent).as_posix()
        for package in PACKAGES
        for file in package.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    assert {f"{package.name}/py.typed" for package in PACKAGES} <= packages
    assert {name for name in wheel if ".dist-info/" not in name} == packages


def test_the_checks_of_the_wheel_are_of_all_packages() -> None:
    folders = [package.relative_to(ROOT).as_posix() for package in PACKAGES]
    assert PROJECT["tool"]["check-wheel-contents"]["package"] == folders
    assert PROJECT["tool"]["mypy"]["files"] == folders
    assert sorted(PROJECT["tool"]["importlinter"]["root_packages"]) == sorted(p.name for p in PACKAGES)


def test_what_the_wheel_says_of_itself(wheel: dict[str, str]) -> None:
    about = {name.partition("/")[2]: text for name, text in wheel.items() if ".dist-info/" in name}
    metadata = Parser().parsestr(about["METADATA"])
    assert (metadata["Name"], metadata["Version"]) == ("kerasflow", kerasflow.__version__)
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert "Typing :: Typed" in metadata.get_all("Classifier", [])
    assert set(metadata.get_all("Provides-Extra", [])) == set(PROJECT["project"]["optional-dependencies"])
    assert "kerasflow = kerasflow.cli.main:main" in about["entry_points.txt"].splitlines()
    assert about["licenses/LICENSE"] == (ROOT / "LICENSE").read_text("utf-8")


def test_the_sdist_has_what_the_repository_has(built: Path) -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("this is no repository")
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        found = {name.partition("/")[2] for name in archive.getnames()}
    assert [name for name in listed.stdout.splitlines() if name not in found and (ROOT / name).exists()] == []
