"""Teams of local ranks, with real processes: what they compute, and how they end."""

from __future__ import annotations

import gc
import os
import pickle
import random
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ranks import Rank
from teams import ended, processes, run, soon_ended, works

from kerasflow.errors import RankError
from kerasflow_numpy.team import memory, start
from kerasflow_numpy.team.group import Area, piece_bytes
from kerasflow_numpy.team.team import Team, team

pytestmark = [
    pytest.mark.skipif(start.available() is not None, reason="no team can be started here"),
    pytest.mark.usefixtures("limit"),
]

HERE = Path(__file__).parent


# ---- what they compute


@pytest.mark.parametrize("ranks", [1, 2, 4], indirect=True)
def test_ranks_add_up_and_gather(ranks: Team) -> None:
    size, rounds = ranks.size, 3
    pieces = [[[4, 60, 4000]] * size, [[60, 4000]] * size, [[24 * (rank + 2)] for rank in range(size)]]
    area = ranks.share(sum(map(piece_bytes, pieces)))
    here = Rank("meet", rounds=rounds)
    here.memory = area
    results = run(ranks, here, ranks.number(area))
    assert len(results) == size and len(set(results)) == 1

    expected = b""
    for step in range(rounds):
        generators = [np.random.default_rng([rank, step]) for rank in range(size)]
        sums = []
        for shape in [(), (3, 5), (1000,)]:
            total, *terms = [g.standard_normal(shape).astype(np.float32) for g in generators]
            for term in terms:
                total = total + term
            sums.append(np.asarray(total).tobytes())
        rows = [np.full((4, rank + 2, 3), rank, np.int16) for rank in range(size)]
        expected += b"".join([*sums, *sums[1:], np.concatenate(rows, axis=1).tobytes()])
    assert results[0] == expected


def test_what_is_in_the_area_already_is_not_copied(ranks: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    area = Area(ranks.share(piece_bytes([[4000]] * 2)))
    _, parts = area.piece(0, lambda: [[((1000,), np.float32)]] * 2)
    ranks.group.enter(area)
    ranks.group.inbox.wait = lambda: None  # type: ignore[method-assign]
    copies: list[int] = []
    monkeypatch.setattr(np, "copyto", lambda to, _: copies.append(to.nbytes))
    parts[0][0][:], parts[1][0][:] = 1, 2
    out = np.empty(1000, np.float32)
    ranks.group.all_reduce([parts[0][0].reshape(1000)], [out])
    assert (out == 3).all() and not copies


def test_an_area_that_is_too_small_is_refused() -> None:
    area = Area(np.zeros(128, np.uint8))
    assert area.piece(0, lambda: [[((3,), np.int8)]] * 2)[0] == 128
    with pytest.raises(ValueError, match="has 128 bytes, but the meeting at byte 128 needs those up to 192"):
        area.piece(128, lambda: [[((3,), np.int8)]])


def test_thousands_of_steps_with_barriers(ranks: Team) -> None:
    rank = Rank("barriers", count=2)
    with ranks.lock:
        ranks.load(1, pickle.dumps(rank))
        for _ in range(5_000):
            ranks.run(1, rank)
    assert works(ranks)


@pytest.mark.parametrize("ranks", [3], indirect=True)
def test_many_barriers_of_three(ranks: Team) -> None:
    """One rank may be at the next barrier before the others have left the last."""
    run(ranks, Rank("barriers", count=3_000))


def test_messages_of_any_size(ranks: Team) -> None:
    reports = run(ranks, Rank("report", expression="'x' * (group.rank * 3_000_000)"))
    assert [len(report) for report in reports] == [2, 3_000_002]
    assert run(ranks, Rank("report", expression="group.broadcast(b'%d' % group.rank)"))[1] == b"b'0'"


# ---- what they share


@pytest.mark.parametrize(
    "kind", [kind for kind, (_, here) in memory.KINDS.items() if here or kind == "posix"]
)
def test_memory_is_shared(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "kind", kind)
    ranks = Team(3)
    shared = ranks.share(100_001)
    assert shared.dtype == np.uint8 and shared.shape == (100_001,) and not shared.any()
    assert shared.__array_interface__["data"][0] % 64 == 0
    run(ranks, Rank("mark"), ranks.number(shared[70_000:]))
    with ranks.lock:
        ranks.begin(1)
        ranks.finish()
    assert shared.nonzero()[0].tolist() == [70_001, 70_002]
    assert shared[70_001:70_003].tolist() == [4, 6]
    assert ranks.number(shared) == (1, 0) and ranks.number(np.zeros(3)) is None
    ranks.close()


def test_a_gigabyte_is_shared(ranks: Team) -> None:
    shared = ranks.share(1 << 30)
    run(ranks, Rank("mark"), ranks.number(shared[-8:]))
    assert shared[-8:].tolist() == [0, 2, 0, 0, 0, 0, 0, 0]
    assert sys.platform != "linux" or not large_files_mapped()


def large_files_mapped() -> list[str]:
    """The files in /dev/shm, which is small in containers, of which this process sees a gigabyte or more."""
    lines = [line.split() for line in Path("/proc/self/maps").read_text().splitlines() if "/dev/shm/" in line]
    spans = {line[5]: [int(place, 16) for place in line[0].split("-")] for line in lines}
    return [name for name, (begin, end) in spans.items() if end - begin >= 1 << 30]


def mappings(pid: int | str) -> int:
    return Path(f"/proc/{pid}/maps").read_text().count("memfd:kerasflow")


def descriptors(pid: int | str) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_is_given_back(ranks: Team) -> None:
    while gc.collect():
        pass  # What other tests have left takes more than one pass: finalizers let go of more.
    (child,) = processes(ranks)
    here, there = mappings("self"), mappings(child)
    opened = descriptors("self"), descriptors(child)
    shared = ranks.share(5_000_000)
    view = shared[10:].view(np.int16)[3:]
    place = ranks.number(view)
    del shared
    gc.collect()
    run(ranks, Rank("mark"), place)
    assert (mappings("self"), mappings(child)) == (here + 1, there + 1)
    assert (descriptors("self"), descriptors(child)) == opened  # A program may have thousands of arrays.
    ranks.unload(1)
    del view
    gc.collect()
    assert ranks.number(np.zeros(1)) is None and not ranks._segments
    assert works(ranks)
    assert (mappings("self"), mappings(child)) == (here, there)
    assert (descriptors("self"), descriptors(child)) == opened


def test_loading_waits_for_nobody(ranks: Team) -> None:
    """Whatever the size: a child that starts, or that computes, does not read."""
    large = Rank("report", expression="len(self.options)", ballast=np.ones(3_000_000))
    large.options.pop("ballast")
    payload = pickle.dumps((np.ones(3_000_000), large))
    (child,) = processes(ranks)
    os.kill(child, signal.SIGSTOP)
    try:
        with ranks.lock:
            ranks.load(1, payload)
    finally:
        os.kill(child, signal.SIGCONT)
    assert works(ranks)


# ---- what is in a child


@pytest.mark.parametrize("ranks", [2], indirect=True)
def test_a_child_has_no_more_than_it_needs(ranks: Team) -> None:
    names = "(__import__('kerasflow_numpy.run.program'), sorted(__import__('sys').modules))[1]"
    modules = set(eval(run(ranks, Rank("report", expression=names))[1]))
    assert "kerasflow_numpy.run.program" in modules
    assert not modules & {"keras", "scipy", "pytest", "optree", "h5py", "multiprocessing", "subprocess"}
    assert not modules & {
        f"kerasflow.{name}" for name in ("bridge", "compiler", "tracing", "autodiff", "_settings")
    }


def test_a_child_that_waits_takes_no_time(ranks: Team) -> None:
    assert works(ranks)
    (child,) = processes(ranks)

    def ticks() -> int:
        return sum(map(int, Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[11:13]))

    time.sleep(0.05)
    before, own = ticks(), time.process_time()
    time.sleep(0.5)
    assert ticks() - before <= 1
    assert time.process_time() - own < 0.05


def test_waiting_long_takes_no_time(ranks: Team) -> None:
    assert works(ranks)
    begin = time.process_time()
    run(ranks, Rank("fail", kind="none", then="nothing"))
    with ranks.lock:
        ranks.load(2, pickle.dumps(Rank("sleep", seconds=0.4)))
        ranks.begin(2)
        ranks.finish()
    assert time.process_time() - begin < 0.1


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("executable", None, "does not know its interpreter .sys.executable is None."),
        ("executable", "", "does not know its interpreter"),
        ("executable", "/no/such/python3", "does not know its interpreter"),
        ("executable", "/bin/sh", "embedded in '/bin/sh'"),
        ("frozen", True, "frozen"),
        ("platform", "emscripten", "as we do it on emscripten"),
    ],
)
def test_where_no_process_can_be_started_it_says_why(
    name: str, value: Any, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "multiprocessing.spawn", raising=False)
    monkeypatch.setattr(sys, name, value, raising=False)
    with pytest.raises(AssertionError, match=reason):
        raise AssertionError(start.available())


def test_an_interpreter_that_cannot_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start, "interpreter", lambda: "/no/such/python")
    with pytest.raises(RankError, match=r"No process could be started for rank 1 of 2: .*No such file"):
        Team(2)


# ---- how they end


@pytest.mark.parametrize(
    ("kind", "message"), [("kill", "SIGKILL"), ("crash", "SIGSEGV"), ("exit", "exit code 3")]
)
@pytest.mark.parametrize("ranks", [3], indirect=True)
def test_a_rank_that_dies_is_an_error(ranks: Team, kind: str, message: str) -> None:
    assert works(ranks)
    pids = processes(ranks)
    begin = time.perf_counter()
    with pytest.raises(
        RankError, match=rf"Rank 2 of 3, .*number {pids[1]}.* has died: {message}.*KERASFLOW_THREADS=1"
    ):
        run(ranks, Rank("fail", kind=kind, rank=2))
    assert time.perf_counter() - begin < 10
    assert not ranks.alive and soon_ended(pids)
    with pytest.raises(RankError, match="has ended: begin again"):
        run(ranks, Rank())


def test_a_rank_that_dies_between_steps_is_an_error() -> None:
    ranks = team(2)
    assert works(ranks) and team(2) is ranks
    (pid,) = processes(ranks)
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(RankError, match="SIGKILL"):
        works(ranks)
    assert works(team(2)) and team(2) is not ranks
    (pid,) = processes(team(2))
    os.kill(pid, signal.SIGKILL)
    while processes(team(2)) == [pid]:
        time.sleep(0.01)
    assert works(team(2))
    team(2).close()


def test_a_rank_that_dies_while_it_starts_is_an_error() -> None:
    for delay in (0, 0.02, 0.1):
        ranks = Team(2)
        time.sleep(delay)
        os.kill(processes(ranks)[0], signal.SIGKILL)
        with pytest.raises(RankError, match="SIGKILL"):
            works(ranks)


def test_kills_at_random_moments() -> None:
    seed = random.randrange(1 << 30)
    print("seed", seed)  # shown if the test fails
    moments = random.Random(seed)
    area = 1 << 20
    for _ in range(6):
        ranks = Team(3)
        memory_ = ranks.share(area)
        rank = Rank("meet", rounds=20)
        rank.memory = memory_
        assert works(ranks)
        pids = processes(ranks)
        killed: list[float] = []

        def kill(
            pid: int = moments.choice(pids), delay: float = moments.random() * 0.03, at: Any = killed
        ) -> None:
            time.sleep(delay)
            at.append(time.perf_counter())
            os.kill(pid, signal.SIGKILL)

        with ranks.lock, pytest.raises(RankError, match="SIGKILL"):
            ranks.load(1, pickle.dumps(Rank("meet", rounds=20)))
            ranks.tell(1, ranks.number(memory_))
            killer = threading.Thread(target=kill)
            killer.start()
            while True:
                ranks.run(1, rank)
        assert time.perf_counter() - killed[0] < 10
        killer.join()
        assert soon_ended(pids)


@pytest.mark.parametrize(
    ("kind", "error", "message"),
    [
        ("value", ValueError, "no such value"),
        ("key", KeyError, "no such key"),
        ("unpicklable", RankError, "Rank 1 has raised ranks.Unpicklable: 1 and 2"),
        ("end", RankError, "Rank 1 has raised SystemExit: end of the program"),
    ],
)
@pytest.mark.parametrize("ranks", [3], indirect=True)
def test_what_a_rank_raises_is_raised_here(
    ranks: Team, kind: str, error: type[Exception], message: str
) -> None:
    pids = processes(ranks)
    with pytest.raises(error, match=message) as caught:
        run(ranks, Rank("fail", kind=kind))  # the others wait in a barrier
    assert "On rank 1, in a process of its own:" in caught.value.__notes__[0]
    assert "in fail" in caught.value.__notes__[0]
    assert not ranks.alive and soon_ended(pids)


def test_an_object_that_cannot_be_loaded_is_an_error(ranks: Team) -> None:
    with ranks.lock, pytest.raises(pickle.UnpicklingError):
        ranks.load(1, b"nonsense")
        ranks.begin(1)
        ranks.finish()


def test_what_is_raised_here_ends_the_team(ranks: Team) -> None:
    pids = processes(ranks)
    with pytest.raises(ValueError, match="no such value"):
        run(ranks, Rank("fail", kind="value", rank=0))
    assert not ranks.alive and soon_ended(pids)


def test_an_interrupt_ends_the_team(ranks: Team) -> None:
    pids = processes(ranks)
    assert works(ranks)
    threading.Timer(0.1, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    begin = time.perf_counter()
    with pytest.raises(KeyboardInterrupt), ranks.lock:
        ranks.load(1, pickle.dumps(Rank("sleep", seconds=20)))
        ranks.begin(1)
        ranks.finish()
    assert time.perf_counter() - begin < 10
    assert not ranks.alive and soon_ended(pids)


def test_what_a_whole_program_is_sent_is_nothing_to_a_child(ranks: Team) -> None:
    """Whoever handles SIGTERM, to save a model say, still has all processes."""
    for sent in (
        signal.SIGINT,
        signal.SIGTERM,
        signal.SIGHUP,
        signal.SIGQUIT,
        signal.SIGUSR1,
        signal.SIGUSR2,
    ):
        os.kill(processes(ranks)[0], sent)
    time.sleep(0.1)
    assert works(ranks)


def test_two_steps_do_not_interleave(ranks: Team) -> None:
    with ranks.lock, pytest.raises(RankError):
        ranks.load(1, pickle.dumps(Rank()))
        ranks.begin(1)
        ranks.begin(1)


def test_a_step_that_was_left_ends_the_team() -> None:
    ranks = team(2)
    with ranks.lock:
        ranks.load(1, pickle.dumps(Rank()))
        ranks.begin(1)
        assert ranks.alive
    assert not ranks.alive
    pids = processes(ranks)
    assert works(team(2)) and team(2) is not ranks
    assert all(map(ended, pids))
    team(2).close()


def test_threads_take_turns(ranks: Team) -> None:
    rank = Rank("barriers", count=3)
    with ranks.lock:
        ranks.load(1, pickle.dumps(rank))
    done: list[int] = []

    def steps() -> None:
        for _ in range(200):
            with ranks.lock:
                ranks.run(1, rank)
            done.append(1)

    threads = [threading.Thread(target=steps) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == 600 and works(ranks)
