"""Files and folders that are written whole: beside one another, under any name, after any end of a process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kerasflow.bridge import drafts
from kerasflow.bridge.drafts import PREVIOUS, draft_folder
from kerasflow.bridge.files import drafted, flaw_of_zip, folder_written_whole, written_whole
from kerasflow.errors import KerasflowError

# A process that saves the same name again and again; in a container every process may have the same numbers.
SAVES = """
import os, sys, threading
os.getpid = threading.get_native_id = lambda: 1
from pathlib import Path
from kerasflow.bridge.files import drafted
for i in range(150):
    with drafted(Path(sys.argv[1])) as draft:
        for part in range(3):
            with draft.open("a") as file:
                file.write(sys.argv[2] * 1000)
print("done")
"""


def test_processes_with_the_same_number_save_one_name(tmp_path: Path) -> None:
    target = tmp_path / "model.keras"
    command = [sys.executable, "-c", SAVES, str(target)]
    running = [
        subprocess.Popen([*command, letter], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for letter in "abc"
    ]
    for process in running:
        text, _ = process.communicate(timeout=120)
        assert (process.returncode, text) == (0, "done\n")
    assert target.read_text() in [letter * 3000 for letter in "abc"]
    assert list(tmp_path.iterdir()) == [target]


def test_threads_save_one_name(tmp_path: Path) -> None:
    target, wrong = tmp_path / "file", []

    def save(letter: str) -> None:
        try:
            for _ in range(50):
                with drafted(target) as draft:
                    draft.write_text(letter * 1000)
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=save, args=(letter,)) for letter in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert target.read_text() in [letter * 1000 for letter in "abcd"]
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("letter", ["n", "é", "字", "😀"])
@pytest.mark.parametrize("suffix", [".keras", ""])
def test_names_may_be_as_long_as_the_file_system_allows(letter: str, suffix: str, tmp_path: Path) -> None:
    most = os.pathconf(tmp_path, "PC_NAME_MAX") if hasattr(os, "pathconf") else 100
    name = letter * ((most - len(suffix)) // len(letter.encode())) + suffix
    for content in ("one", "two"):
        with written_whole(tmp_path / name) as draft:
            draft.write_text(content)
    assert (tmp_path / name).read_text() == "two"
    with folder_written_whole(tmp_path / "deep" / name, "mark") as draft:
        draft.mkdir()
        (draft / "mark").touch()
    assert [p.name for p in tmp_path.rglob("*") if p.name.startswith(".")] == []
    too_long = tmp_path / (name + letter)
    if len(too_long.name.encode()) > most:
        with pytest.raises((KerasflowError, OSError)), written_whole(too_long) as draft:
            draft.write_text("three")
    assert len(list(tmp_path.iterdir())) == 2


def _killed(target: Path, function: Callable[[Path], Any]) -> None:
    """Run it in a process that is killed at its end."""
    child = os.fork()
    if child == 0:
        try:
            function(target)
        finally:
            os.kill(os.getpid(), signal.SIGKILL)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL


needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="the system cannot copy a process")


@needs_fork
def test_what_a_killed_process_leaves_goes_with_the_next_save(tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_text("before")

    def half(target: Path) -> None:
        with drafted(target) as draft:
            draft.write_text("half")
            os.kill(os.getpid(), signal.SIGKILL)

    _killed(target, half)
    assert target.read_text() == "before" and len(list(tmp_path.iterdir())) == 2
    with draft_folder(target) as other:  # is alive, and stays
        with drafted(target) as draft:
            draft.write_text("after")
        assert sorted(tmp_path.iterdir()) == sorted([target, other])
    assert target.read_text() == "after" and list(tmp_path.iterdir()) == [target]


@needs_fork
def test_a_folder_that_a_killed_process_was_replacing_comes_back(tmp_path: Path) -> None:
    target = tmp_path / "folder"
    target.mkdir()
    (target / "mark").write_text("before")

    def half(target: Path) -> None:
        with draft_folder(target) as folder:
            target.replace(folder / PREVIOUS)
            os.kill(os.getpid(), signal.SIGKILL)

    _killed(target, half)
    assert not target.exists()
    with pytest.raises(ZeroDivisionError), folder_written_whole(target, "mark"):
        raise ZeroDivisionError
    assert (target / "mark").read_text() == "before" and list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_a_folder_that_cannot_be_replaced_stays(
    error: type[BaseException], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second of two moves fails."""
    target = tmp_path / "folder"
    target.mkdir()
    (target / "mark").write_text("before")
    replace = Path.replace

    def failing(self: Path, other: Path) -> Any:
        if self.name == "new":
            raise error("on purpose")
        return replace(self, other)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", failing)
        raised = pytest.raises((KerasflowError, KeyboardInterrupt), match="on purpose")
        with raised, folder_written_whole(target, "mark") as draft:
            draft.mkdir()
    assert (target / "mark").read_text() == "before" and list(tmp_path.iterdir()) == [target]


def test_where_there_are_no_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drafts, "fcntl", None)
    target = tmp_path / "file"
    with draft_folder(target) as other, drafted(target) as draft:
        draft.write_text("content")
        assert other.exists()
    assert target.read_text() == "content" and list(tmp_path.iterdir()) == [target]


def test_a_draft_that_another_process_takes_for_left_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, attempts = drafts._locked, []

    def locked(folder: Path) -> int | None:
        attempts.append(folder)
        if len(attempts) == 1:
            raise BlockingIOError
        if len(attempts) == 2:
            folder.rmdir()  # between its making and its lock
            raise FileNotFoundError
        return lock(folder)

    monkeypatch.setattr(drafts, "_locked", locked)
    with draft_folder(tmp_path / "file") as folder:
        assert folder == attempts[2] and folder.exists()


def test_what_is_no_archive_has_a_flaw(tmp_path: Path) -> None:
    path = tmp_path / "file.zip"
    path.write_bytes(b"PK\x03\x04")
    assert "zip" in flaw_of_zip(path)
