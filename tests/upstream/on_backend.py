"""The pytest plugin under which suites that are not ours run: on kerasflow, or on a backend of Keras's own.

`processes.py` loads it (`-p on_backend`) in a pytest process of its own, and in that one's workers. What it is to do
comes in environment variables:

- `KERAS_SUITE_BACKEND`: `kerasflow`, or the name of one of Keras's backends.
- `KERAS_SUITE_RESULTS`: the file that gets one line of JSON for each test.
- `KERAS_SUITE_SECONDS`: how long one test may take.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import itertools
import json
import os
import signal
from collections.abc import Generator
from typing import Any

with contextlib.suppress(ImportError):
    import torch  # noqa: F401  (before TensorFlow: in the other order the process may crash)

import pytest

BACKEND = os.environ["KERAS_SUITE_BACKEND"]
ON_KERASFLOW = BACKEND == "kerasflow"
SECONDS = int(os.environ["KERAS_SUITE_SECONDS"])

if ON_KERASFLOW:
    import kerasflow  # noqa: F401  (before Keras: it is the backend from here on)
else:
    os.environ["KERAS_BACKEND"] = BACKEND


class TooLong(BaseException):
    """A test ran past its time. Not an `Exception`, so that no test takes it for an answer."""


def pytest_configure(config: pytest.Config) -> None:
    def interrupt(*_: Any) -> None:
        raise TooLong(f"the test took longer than {SECONDS} seconds")

    signal.signal(signal.SIGALRM, interrupt)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    # What hangs in Python is interrupted; what hangs elsewhere ends the worker, and another takes its place.
    signal.alarm(SECONDS)
    faulthandler.dump_traceback_later(SECONDS + 60, exit=True)
    try:
        return (yield)
    finally:
        signal.alarm(0)
        faulthandler.cancel_dump_traceback_later()


# Keras's tests collect garbage all the time: what is there before them, and what outlives many of them, is none.
SETTLED = 100
_ended = itertools.count(1)


def pytest_collection_finish(session: pytest.Session) -> None:
    gc.freeze()


def pytest_runtest_logfinish() -> None:
    if next(_ended) % SETTLED == 0:
        gc.collect()
        gc.freeze()


def _outcome(report: pytest.TestReport | pytest.CollectReport) -> tuple[str, str]:
    """What became of a test, and why: for a failure the error's message, for a skip the reason that is given."""
    if hasattr(report, "wasxfail"):  # Not for a strict one that passed: that is a plain failure.
        return "xfailed" if report.skipped else "passed", report.wasxfail
    if report.skipped and isinstance(report.longrepr, tuple):
        return report.outcome, report.longrepr[2].removeprefix("Skipped: ")
    if report.failed:
        crash = getattr(report.longrepr, "reprcrash", None)
        return report.outcome, crash.message if crash else str(report.longrepr)[-2000:]
    return report.outcome, ""


class _Results:
    """One line of JSON for each test that ended, and for each file that could not be imported."""

    def __init__(self, path: str) -> None:
        self.file = open(path, "a", buffering=1)  # noqa: SIM115  (open as long as the process)

    def _write(self, report: pytest.TestReport | pytest.CollectReport, seconds: float) -> None:
        outcome, reason = _outcome(report)
        line = {
            "test": report.nodeid,
            "outcome": outcome,
            "seconds": round(seconds, 3),
            "trainable": "requires_trainable_backend" in getattr(report, "keywords", ()),
            "reason": reason,
        }
        self.file.write(json.dumps(line) + "\n")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or not report.passed:
            self._write(report, report.duration)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._write(report, 0.0)


def pytest_sessionstart(session: pytest.Session) -> None:
    if not hasattr(session.config, "workerinput"):  # The process that gathers, not a worker of it.
        session.config.pluginmanager.register(_Results(os.environ["KERAS_SUITE_RESULTS"]))
