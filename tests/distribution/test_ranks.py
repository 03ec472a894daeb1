"""What ranks do for one another, in a group of threads."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from typing import Any

import kerasflow  # isort: skip  (before Keras)
import numpy as np
import pytest

from kerasflow._settings import settings
from kerasflow.bridge.first_rank import by_first_rank, only_on_first_rank
from kerasflow.compiler.alike import require_alike
from kerasflow.compiler.ranks import rows_of_all, whole_batch
from kerasflow.compiler.threads import MOST, threads
from kerasflow.errors import RankError
from kerasflow.graph import Graph, ShapedArray
from kerasflow.groups import current_group, in_group
from kerasflow.groups.threads import Threads, run_in_threads


def on_each(function: Callable[[Threads], Any], size: int = 3) -> list[Any]:
    """What a function returns or raises on each rank."""

    def caught(group: Threads) -> Any:
        try:
            return function(group)
        except Exception as error:
            return error

    return run_in_threads(size, caught)


def graph(addend: float) -> Graph:
    """Of one state and one input."""
    (entry,) = jitted(addend).entries.values()
    return entry.graph


def jitted(addend: float) -> Any:
    added = kerasflow.jit(lambda x: np.tanh(x) + np.array([addend, 1.0]))
    added(np.ones((4, 2)))
    return added


STATE, X = [np.ones(3)], np.arange(8.0).reshape(4, 2)


@pytest.mark.parametrize(
    ("differing", "says"),
    [
        (lambda r: (graph(1.0), STATE, [X]), None),
        (lambda r: (graph(1.0 + r), STATE, [X]), "another step to run"),
        (lambda r: (graph(1.0), [np.ones(3) + (r == 2)], [X]), "other weights"),
        (lambda r: (graph(1.0), STATE, [X[:: -1 if r else 1]]), r"other data than rank 0 \(input 0\)"),
        (lambda r: (graph(1.0), STATE, [X.astype("f4") if r else X]), "other data"),
    ],
)
def test_ranks_that_differ_are_found_on_all_of_them(
    differing: Callable[[int], Any], says: str | None
) -> None:
    given = [differing(rank) for rank in range(3)]  # made here: one thread at a time traces
    found = on_each(lambda group: require_alike(group, *given[group.rank]))
    if says is None:
        assert found == [None] * 3
    else:
        for error in found:
            assert isinstance(error, RankError)
            with pytest.raises(RankError, match=says):
                raise error


def test_data_may_differ_where_each_rank_has_its_own() -> None:
    same = graph(1.0)
    assert (
        on_each(lambda group: require_alike(group, same, STATE, [X + group.rank], same_data=False))
        == [None] * 3
    )


def test_rows_of_all_ranks() -> None:
    def counted(group: Threads) -> Any:
        return rows_of_all(group, [np.zeros(()), np.zeros((group.rank + 1, 2))])

    assert on_each(counted) == [(1, 2, 3)] * 3
    none = on_each(lambda group: rows_of_all(group, [np.zeros((group.rank, 2))]))
    assert all(isinstance(error, RankError) and "0, 1, 2 samples" in str(error) for error in none)
    avals = [
        ShapedArray((2, 5), np.dtype("f4")),
        None,
        ShapedArray((), np.dtype("f4")),
        ShapedArray((3,), np.dtype("f4")),
    ]
    assert [a and a.shape for a in whole_batch(avals, (1, 2, 3), 1)] == [(6, 5), None, (), (3,)]


def test_the_first_rank_writes_and_all_go_on() -> None:
    written: list[int] = []

    @by_first_rank
    def write() -> None:
        assert current_group().size == 1  # what it calls is its own
        random.random()
        written.append(1)

    state = random.getstate()
    assert on_each(lambda group: write()) == [None] * 3 and written == [1]
    assert random.getstate() == state  # as on the others
    only_on_first_rank(written.append)(2)
    with in_group(Threads(1, 2, None)):  # type: ignore[arg-type]
        only_on_first_rank(written.append)(3)
    assert written == [1, 2]


def test_what_the_first_rank_raises_all_raise() -> None:
    class Odd(Exception):
        """Cannot be pickled, as it is no name of a module's."""

    def fail(error: Exception) -> list[Any]:
        @by_first_rank
        def write() -> None:
            raise error

        return on_each(lambda group: write())

    assert [repr(error) for error in fail(FileNotFoundError(2, "none"))] == [
        "FileNotFoundError(2, 'none')"
    ] * 3
    own, *others = fail(Odd("x"))
    assert isinstance(own, Odd)
    assert all(isinstance(e, RankError) and "On rank 0: Odd: x" in str(e) for e in others)


def test_neighbours_share_the_cores_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "threads", None)
    monkeypatch.setattr("kerasflow.compiler.threads.quota", lambda: None)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(7)), raising=False)
    expected = {1: min(7, MOST), 2: 3, 3: 2, 7: 1, 9: 1}
    for size, count in expected.items():
        with in_group(Threads(0, size, None)):  # type: ignore[arg-type]
            assert threads() == count
    monkeypatch.setattr(settings, "threads", 5)
    with in_group(Threads(0, 9, None)):  # type: ignore[arg-type]
        assert threads() == 5
