"""Teams of local ranks in whole programs: nothing is left behind, and who forks or starts others has its own."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ranks import Rank
from teams import ended, run, soon_ended, works

from kerasflow_numpy.team import start
from kerasflow_numpy.team.team import Team, team

pytestmark = [
    pytest.mark.skipif(start.available() is not None, reason="no team can be started here"),
    pytest.mark.usefixtures("limit"),
]

HERE = Path(__file__).parent


PROGRAM = """
import os, pickle, signal, sys, threading, time, types
for name in ("kerasflow", "kerasflow_numpy"):  # without the rest of the package, a program begins sooner
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [f"{entry}/{name}" for entry in sys.path if os.path.isdir(f"{entry}/{name}")]
from ranks import Rank
from teams import ended, processes, run, soon_ended, works
from kerasflow_numpy.team.team import team

def pids(team):
    return [process.pid for process in team._children._processes]

def step(team, rank=Rank("barriers", count=2)):
    with team.lock:
        team.load(1, pickle.dumps(rank))
        team.run(1, rank)

def start(size=3):
    ranks = team(size)
    print(*pids(ranks), flush=True)
    return ranks
"""


def program(text: str) -> subprocess.Popen[str]:
    """A program that warns of everything, without `if __name__ == "__main__"`."""
    return subprocess.Popen(
        [sys.executable, "-X", "dev", "-W", "default", "-c", PROGRAM + textwrap.dedent(text)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), *sys.path])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def numbers(process: subprocess.Popen[str]) -> list[int]:
    assert process.stdout is not None
    line = process.stdout.readline().split()
    assert line, process.communicate(timeout=10)[1]
    return [int(word) for word in line]


@pytest.mark.parametrize(
    ("end", "code", "says"),
    [
        ("pass", 0, ""),
        ("sys.exit(4)", 4, ""),
        ("os._exit(5)", 5, ""),
        ("raise ValueError('mine')", 1, "ValueError: mine"),
        (
            "del ranks; import kerasflow_numpy.team.team as t; t._teams.clear(); import gc; gc.collect()",
            0,
            "",
        ),
        ("os.kill(os.getpid(), signal.SIGTERM)", -signal.SIGTERM, ""),
    ],
)
def test_nothing_is_left_behind_however_a_program_ends(end: str, code: int, says: str) -> None:
    process = program(f"ranks = start()\nstep(ranks)\nshared = ranks.share(1000)\n{end}")
    pids = numbers(process)
    errors = process.communicate(timeout=20)[1].strip().splitlines()
    assert process.returncode == code
    assert (errors[-1] if errors else "") == says
    assert not [line for line in errors if "Warning" in line or "leaked" in line]
    assert soon_ended(pids)


@pytest.mark.parametrize(
    "does", ["time.sleep(60)", "while True: step(ranks)", 'step(ranks, Rank("compute", seconds=60))']
)
def test_children_end_with_a_program_that_is_killed(does: str) -> None:
    for thread in (False, True):
        if thread:
            begun = f"t = threading.Thread(target=start); t.start(); t.join(); ranks = team(3)\n{does}"
        else:
            begun = f"ranks = start()\n{does}"
        process = program(begun)
        pids = numbers(process)
        time.sleep(random.random() * 0.5)
        process.kill()
        assert soon_ended(pids)
        assert not process.communicate(timeout=5)[1]


def test_a_program_whose_standard_streams_are_closed(tmp_path: Path) -> None:
    done = tmp_path / "done"
    text = f"""
    for stream in range(3):
        os.close(stream)
    step(team(3))
    open({str(done)!r}, "x").close()
    os._exit(0)
    """
    with program(text) as process:
        assert not process.wait(20)
    assert done.exists()


def test_a_team_outlives_the_thread_that_has_started_it() -> None:
    made: list[Team] = []

    def begin() -> None:
        made.append(Team(2))
        assert works(made[0])

    thread = threading.Thread(target=begin)
    thread.start()
    thread.join()
    time.sleep(0.1)
    assert works(made[0])
    made[0].close()


def test_a_forked_process_has_a_team_of_its_own() -> None:
    process = program(
        """
        thread = threading.Thread(target=start)
        thread.start()
        thread.join()
        ranks = team(3)
        step(ranks)
        pid = os.fork()
        if not pid:
            assert not ranks.alive
            try:
                step(ranks)
            except Exception as error:
                assert "has ended" in str(error), error
            own = team(3)
            assert own is not ranks and not set(pids(own)) & set(pids(ranks))
            step(own)
            del ranks
            sys.exit(7)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
        step(ranks)
        pid = os.fork()
        if not pid:
            time.sleep(30)
        print(pid, flush=True)
        time.sleep(30)
        """
    )
    pids, (fork,) = numbers(process), numbers(process)
    assert not any(map(ended, pids))
    process.kill()
    try:
        assert soon_ended(pids) and not ended(fork)  # though that one lives
    finally:
        os.kill(fork, signal.SIGKILL)
    assert not process.communicate(timeout=5)[1]


def test_a_forked_process_has_a_copy_of_what_is_shared(ranks: Team) -> None:
    half = 20_000_000
    state, scratch = ranks.share(2 * half), ranks.share(5_000, contents=False)
    state[:], scratch[:] = 7, 7
    view = state[half:].view(np.int16)
    pid = os.fork()
    if not pid:
        fine = (state == 7).all() and not scratch.any() and ranks.number(state) is None
        state[:], scratch[:] = 1, 1
        os._exit(0 if fine and (view == 0x0101).all() else 1)
    state[half:] = 8  # too late for the copy
    assert os.waitpid(pid, 0)[1] == 0
    assert (state[:half] == 7).all() and (state[half:] == 8).all() and (scratch == 7).all()
    run(ranks, Rank("mark"), ranks.number(state))
    assert state[1] == 9  # the ranks still share it


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_in_a_pool_of_processes(method: str, tmp_path: Path) -> None:
    worker = (
        "import pickle, os\nfrom ranks import Rank\nfrom kerasflow_numpy.team.team import team\n"
        + textwrap.dedent(
            """
        def work(_):
            ranks, rank = team(2), Rank("report", expression="group.rank")
            with ranks.lock:
                ranks.load(1, pickle.dumps(rank))
                return ranks.run(1, rank), [p.pid for p in ranks._children._processes]
        """
        )
    )
    (tmp_path / "pool_worker.py").write_text(worker)
    process = program(
        f"""
        sys.path.insert(0, {str(tmp_path)!r})
        import multiprocessing, pool_worker
        if __name__ == "__main__":
            ranks = start(2)
            step(ranks)
            with multiprocessing.get_context({method!r}).Pool(2) as pool:
                for result, own in pool.map(pool_worker.work, range(4), chunksize=1):
                    assert result == [b"0", b"1"]
                    print(*own, flush=True)
            step(ranks)
        """
    )
    pids = [pid for _ in range(5) for pid in numbers(process)]
    errors = process.communicate(timeout=20)[1]
    assert process.returncode == 0 and not errors
    assert soon_ended(pids)


def test_in_workers_of_joblib() -> None:
    joblib = pytest.importorskip("joblib")
    reports = joblib.Parallel(n_jobs=2)(joblib.delayed(_in_worker)() for _ in range(3))
    assert reports == [[b"0", b"1"]] * 3


def _in_worker() -> Any:
    sys.path.insert(0, str(HERE))
    return run(team(2), Rank("report", expression="group.rank"))
