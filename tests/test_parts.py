"""The slow tests: which of them a run takes."""

import subprocess
import sys
from pathlib import Path

import parts
import pytest

HERE = Path(__file__).parent
TESTS = """
import pytest

@pytest.mark.slow
@pytest.mark.parametrize("i", range(20))
def test_long(i): ...

@pytest.mark.parametrize("i", range(3))
def test_short(i): ...
"""


@pytest.fixture
def history(tmp_path):
    """A folder, and a function that commits what is in it."""

    def git(*command):
        subprocess.run(["git", "-C", tmp_path, *command], check=True, capture_output=True)

    def commit():
        git("add", ".")
        git("-c", "user.name=a", "-c", "user.email=a@b", "commit", "--allow-empty", "-m", "more")

    git("init")
    commit()
    return tmp_path, commit


def collected(folder, *options):
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *options]
    output = subprocess.run(command, cwd=folder, capture_output=True, text=True).stdout
    return [line for line in output.splitlines() if "::" in line]


def test_each_commit_takes_another_part_and_none_is_forgotten(history):
    folder, commit = history
    taken = []
    for _ in range(parts.PARTS):
        taken.append(parts.part(range(100), parts.turn(folder)))
        commit()
    assert sorted(i for part in taken for i in part) == list(range(100))
    assert max(map(len, taken)) - min(map(len, taken)) <= 1


def test_without_a_history_there_is_a_first_part(tmp_path):
    assert parts.turn(tmp_path) == 0


def test_what_pytest_collects(history):
    folder, commit = history
    for name in ("at_hand.py", "conftest.py", "measured.py", "parts.py"):
        (folder / name).write_text((HERE / name).read_text())
    (folder / "test_here.py").write_text(TESTS)
    first = collected(folder)
    commit()
    second = collected(folder)
    assert [sum("short" in name for name in found) for found in (first, second)] == [3, 3]
    assert 5 <= len(first) <= 6 and 5 <= len(second) <= 6
    assert not {name for name in first if "long" in name} & set(second)
    assert len(collected(folder, "-m", "slow")) == 20
    assert len(collected(folder, "-m", "not slow")) == 3
    assert len(collected(folder, "test_here.py::test_long")) == 20
