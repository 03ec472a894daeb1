"""What these tests share; graphs stand in `tests/graphs.py`."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import kerasflow

sys.path.insert(0, str(Path(__file__).parent.parent))

from teams import ended, processes

from kerasflow_numpy.team.team import Team

LIMIT = 60  # seconds for a test


@pytest.fixture
def limit() -> Iterator[None]:
    """A test that hangs is an error."""

    def stop(*_: Any) -> None:
        raise TimeoutError(f"the test took more than {LIMIT} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(LIMIT)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(params=[2])
def ranks(request: pytest.FixtureRequest) -> Iterator[Team]:
    made = Team(request.param)
    yield made
    pids = processes(made)
    made.close()
    assert all(map(ended, pids))


@pytest.fixture
def on_tensorflow() -> Iterator[None]:
    with kerasflow.use_backend("tensorflow"):
        yield
