"""Processes that a real `mpiexec` has started: their meetings, `keras.distribution`, files, and how they end."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from launched import LIMIT, PROGRAMS, Launch, environment

from kerasflow.groups.mpi import launched


@pytest.mark.parametrize("ranks", [2, 3, 4])
def test_sums_joins_and_messages(launch: Launch, ranks: int) -> None:
    done = launch(ranks, "meet.py", options=())
    assert done.stdout == f"{ranks} ranks, {ranks} on these processors\n"


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ("sizes", "rank 2: Rank 0 does something else while rank 2 waits to add up 12 float64 numbers"),
        (
            "kinds",
            "rank 1: Rank 0 waits for the others to add up 10 float64 numbers, while rank 1 waits .* for all",
        ),
        ("early", "rank [12]: Rank 0 has ended its program, while rank [12] waits for it to add up"),
    ],
)
def test_ranks_that_do_different_things_say_so(launch: Launch, what: str, expected: str) -> None:
    begun = time.monotonic()
    done = launch(3, "meet.py", what, options=(), code=5)
    assert time.monotonic() - begun < 20
    # Who says so first ends the others, and may be any of them.
    said = re.sub("rank 0", "rank 2", done.stdout) if what == "sizes" else done.stdout
    assert re.search(expected, said) or "does something else" in said or "waits for" in said, done.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="nobody asks there how much of a pipe has been read")
def test_what_was_printed_is_read_before_all_ends() -> None:
    """By a launcher that takes its time."""
    program = "from kerasflow.groups import mpi; mpi._READ = 60; print('why'); mpi._pass_on()"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        select.select([process.stdout], [], [])
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)  # it waits, with 0.2 seconds for what has been read
        assert process.stdout.readline() == b"why\n"
        assert process.wait(10) == 0


def test_keras_distribution(launch: Launch) -> None:
    done = launch(2, "use_api.py", "one seed", options=())
    sums = dict(re.findall(r"rank (\d): (\S+) numpy", done.stdout))
    assert sorted(sums) == ["0", "1"] and sums["0"] == sums["1"]


def test_without_seeds_ranks_draw_the_same(launch: Launch) -> None:
    done = launch(2, "unseeded.py")
    assert re.fullmatch(r"[\d.]+\n", done.stdout)  # the first rank's


@pytest.mark.parametrize("ranks", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_files_are_written_once_and_a_training_goes_on(launch: Launch, tmp_path: Path, ranks: int) -> None:
    """A training on two processes dies, and goes on on two to the bit, on three with the same numbers."""
    launch(2, "keep_files.py")
    whole = dict(np.load(tmp_path / "kept.npz"))
    log = (tmp_path / "log-0.csv").read_text()
    assert (tmp_path / "own-0.keras").exists()
    assert not (tmp_path / "log-1.csv").exists() and not (tmp_path / "own-1.keras").exists()
    assert (
        len(log.splitlines()) == 6
        and (tmp_path / "kept" / "best.keras").exists()
        and (tmp_path / "model.keras").exists()
    )
    assert sorted(p.name for p in tmp_path.glob("refused*")) == ["refused-0", "refused-1"]
    assert not (tmp_path / "backup").exists()
    for file in tmp_path.rglob("*.*"):
        file.unlink()
    done = launch(2, "keep_files.py", "stop", code=7)
    assert "kept" not in done.stdout and (tmp_path / "backup").exists()
    launch(ranks, "keep_files.py")
    resumed = dict(np.load(tmp_path / "kept.npz"))
    assert len(resumed.pop("loss")) == 3 and len(whole.pop("loss")) == 5
    for name, expected in whole.items():
        np.testing.assert_allclose(
            resumed[name], expected, rtol=0 if ranks == 2 else 1e-5, atol=0 if ranks == 2 else 1e-6
        )


@pytest.mark.parametrize(
    ("how", "code", "says"),
    [
        ("raise", 1, r"Rank 1 of 2 ends all:\nTraceback[\s\S]*LookupError: nothing there"),
        ("kill", -1, r"(?i)kill|bad termination"),
        pytest.param("exit", 3, "", marks=pytest.mark.slow),
        pytest.param("early", 1, "Rank 1 has ended its program, while rank 0 waits", marks=pytest.mark.slow),
    ],
)
def test_the_end_of_one_rank_is_the_end_of_all(launch: Launch, how: str, code: int, says: str) -> None:
    begun = time.monotonic()
    done = launch(2, "end.py", how, code=code)
    assert done.returncode != 0
    assert re.search(says, done.stdout + done.stderr), done.stderr
    assert done.stderr.count("Traceback") <= 1 + (how == "early")
    assert time.monotonic() - begun < 60


def test_what_the_first_rank_has_printed_is_shown_where_all_exit(launch: Launch, tmp_path: Path) -> None:
    program = tmp_path / "leave.py"
    program.write_text("import sys\nprint('all that there is')\nsys.exit(4)\n")
    for _ in range(3):  # It is a race between ranks.
        assert launch(3, str(program), code=4).stdout == "all that there is\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_processes_that_a_rank_starts_are_no_ranks(launch: Launch) -> None:
    done = launch(2, "start_processes.py", options=())
    assert done.stdout == "spawn numpy 1 1.0 1.0 1.0\nfork numpy 1 1.0 1.0 1.0\n"


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_an_interrupt_ends_all(launch: Launch) -> None:
    launch(1, "meet.py", options=())  # skips where there is no launcher
    command = [Path(sys.executable).with_name("kerasflow"), "run", "-n", "2", PROGRAMS / "end.py", "never"]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
        text=True,
        start_new_session=True,
    ) as child:
        assert child.stdout is not None and child.stdout.readline() == "trains\n"  # of rank 0 alone
        time.sleep(1)
        child.send_signal(signal.SIGINT)
        out, _ = child.communicate(timeout=LIMIT / 8)
    assert child.returncode != 0 and "trains" not in out


def test_run_is_a_command(launch: Launch, tmp_path: Path) -> None:
    launch(1, "meet.py", options=())
    program = tmp_path / "show.py"
    program.write_text("import sys, keras\nprint(sys.argv[1:], keras.distribution.list_devices())\n")
    command = [Path(sys.executable).with_name("kerasflow"), "run", "-n", "2", "--all-output", program]
    done = subprocess.run(
        [*command, "--lr", "3", "-n"], capture_output=True, text=True, env=environment(), timeout=LIMIT
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == 2 * "['--lr', '3', '-n'] ['cpu:0', 'cpu:1']\n"


def test_lines_of_ranks_stay_whole(launch: Launch, tmp_path: Path) -> None:
    """Also where Python writes each word of a line as it comes, and words take a while."""
    program = tmp_path / "words.py"
    program.write_text(
        "import time\nclass Word:\n    def __str__(self):\n        time.sleep(0.01)\n        return 'word'\n"
        "for _ in range(20):\n    print(Word(), Word(), Word())\n"
    )
    options = ("-m", "kerasflow", "--data-parallel", "--all-output")
    done = launch(2, str(program), options=options, env={"PYTHONUNBUFFERED": "1"})
    assert done.stdout == 40 * "word word word\n"


def test_launchers_are_known_by_what_they_tell() -> None:
    assert launched({"PMI_RANK": "0"}) and launched({"OMPI_COMM_WORLD_RANK": "3"})
    assert not launched({"PATH": "", "SLURM_JOB_ID": "3"})
