"""The pytest plugin under which Keras's own test suite runs, on kerasflow or on a backend of Keras's own.

`run.py` loads it (`-p suite_plugin`) in a pytest process of its own, and in that one's workers. What it is to do
comes in environment variables:

- `KERAS_SUITE_BACKEND`: `kerasflow`, or the name of one of Keras's backends.
- `KERAS_SUITE_RESULTS`: the file that gets one line of JSON for each test.
- `KERAS_SUITE_SECONDS`: how long one test may take.
"""

from __future__ import annotations

import contextlib
import faulthandler
import functools
import gc
import importlib.util
import itertools
import json
import os
import re
import signal
import sys
import types
import unittest
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

with contextlib.suppress(ImportError):
    import torch  # noqa: F401  (before TensorFlow: in the other order the process may crash)

import numpy as np
import pytest
from exclusions import EXCLUSIONS, ROUNDING
from skips import ANSWERS, KEPT, LIFTED, NEEDS, matching

BACKEND = os.environ["KERAS_SUITE_BACKEND"]
ON_KERASFLOW = BACKEND == "kerasflow"
SECONDS = int(os.environ.get("KERAS_SUITE_SECONDS", "300"))

if ON_KERASFLOW:
    import kerasflow
else:
    os.environ["KERAS_BACKEND"] = BACKEND

from keras.src import backend as keras_backend  # noqa: E402

# What tests of gradients use of JAX, on kerasflow; in `sys.modules` from where a test is told that the backend is
# "jax" to the test's end.
_IN_PLACE_OF_JAX: dict[str, types.ModuleType] = {}
if ON_KERASFLOW:
    _IN_PLACE_OF_JAX["jax"] = types.ModuleType("jax")
    vars(_IN_PLACE_OF_JAX["jax"]).update(grad=kerasflow.grad, jit=kerasflow.jit, numpy=np)
    _IN_PLACE_OF_JAX["jax.numpy"] = np


class TooLong(BaseException):
    """A test ran past its time. Not an `Exception`, so that no test takes it for an answer."""


# -- what Keras's own conftest.py supplies, which its wheel does not ship --------------------------------------


def _skip_if_backend(name: str, reason: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(keras_backend.backend() == name, reason=reason)


sys.modules["conftest"] = types.ModuleType("conftest")
sys.modules["conftest"].skip_if_backend = _skip_if_backend  # type: ignore[attr-defined]

NOT_TRAINABLE = "Trainer not implemented for NumPy and OpenVINO backend."
ONE_DEVICE = "Requires multiple devices"


def _short(name: str) -> str:
    return name.removeprefix("keras/src/")


# -- skips and exclusions -------------------------------------------------------------------------------------


def _unless_lifted(skip: Callable[..., Any], place: int) -> Callable[..., Any]:
    """A function that skips the running test, except for a reason that is lifted: then the test goes on.

    Args:
        place: of the reason among the positional arguments.
    """

    def skip_unless_lifted(*args: Any, **kwargs: Any) -> None:
        reason = args[place] if len(args) > place else kwargs.get("reason", "")
        if not matching(LIFTED, reason):
            skip(*args, **kwargs)

    skip_unless_lifted.Exception = getattr(skip, "Exception", None)  # type: ignore[attr-defined]
    return skip_unless_lifted


def _not_excused(xfail: Callable[..., Any]) -> Callable[..., Any]:
    """`pytest.xfail` in a test's body, except where it excuses what is lifted: that is a failure."""

    def xfail_unless_lifted(reason: str = "") -> None:
        (pytest.fail if matching(LIFTED, reason) else xfail)(reason)

    xfail_unless_lifted.Exception = xfail.Exception  # type: ignore[attr-defined]
    return xfail_unless_lifted


class _Asked:
    """Keras's backend module, as one of its other modules sees it: functions of a table get another name to hear.

    Args:
        answers: for the names of functions what `backend()` answers them.
    """

    def __init__(self, answers: dict[str, str]) -> None:
        self.answers = answers

    def __getattr__(self, name: str) -> Any:
        return getattr(keras_backend, name)

    def backend(self) -> str:
        function = sys._getframe(1).f_code.co_qualname.partition(".<locals>")[0]
        answer = self.answers.get(function, keras_backend.backend())
        if answer == "jax":
            sys.modules.update(_IN_PLACE_OF_JAX)
        return answer


def _lift(items: list[pytest.Item]) -> None:
    pytest.skip = _unless_lifted(pytest.skip, 0)
    pytest.xfail = _not_excused(pytest.xfail)
    unittest.TestCase.skipTest = _unless_lifted(unittest.TestCase.skipTest, 1)  # type: ignore[method-assign]
    for name, answers in ANSWERS.items():
        if name in sys.modules:
            for function in answers:
                cls, _, method = function.partition(".")
                if not any(x.startswith(method) for x in dir(getattr(sys.modules[name], cls))):
                    raise pytest.UsageError(f"skips.py: there is no {function} in {name}")
            sys.modules[name].backend = _Asked(answers)  # type: ignore[attr-defined]
    for node in {node for item in items for node in item.listchain()}:
        node.own_markers[:] = [
            mark
            for mark in node.own_markers
            if mark.name != "skipif" or not matching(LIFTED, mark.kwargs.get("reason", ""))
        ]


def _names(test: str) -> list[str]:
    """The names by which tables call a test: its own, without its parameters, its class, its file."""
    bare = test.partition("[")[0]
    return [test, bare, bare.rpartition("::")[0], test.partition("::")[0]]


def _entry(item: pytest.Item, table: dict[str, Any]) -> str | None:
    """The name by which a table calls a test."""
    return next((name for name in _names(_short(item.nodeid)) if name in table), None)


TOLERANCES = {
    test: tolerance for group in ROUNDING.values() for tolerance, tests in group.items() for test in tests
}


def _exclude(items: list[pytest.Item], complete: bool) -> None:
    reasons = {test: reason for reason, tests in EXCLUSIONS.items() for test in tests}
    for item in items:
        if name := _entry(item, reasons):
            item.add_marker(pytest.mark.xfail(strict=True, reason=reasons[name]))
    unused = ({*reasons, *TOLERANCES}) - {name for item in items for name in _names(_short(item.nodeid))}
    if complete and unused:
        raise pytest.UsageError(f"exclusions.py names tests that there are not: {sorted(unused)}")


@contextlib.contextmanager
def _tolerance(item: pytest.Item) -> Generator[None]:
    """Hold a test of the table `ROUNDING` to the error given there."""
    from keras.src.testing import TestCase

    if not ON_KERASFLOW or (name := _entry(item, TOLERANCES)) is None:
        yield
        return
    strict = TestCase.assertAllClose
    loose = functools.partialmethod(strict, atol=TOLERANCES[name], rtol=TOLERANCES[name])
    TestCase.assertAllClose = loose  # type: ignore[assignment]
    try:
        yield
    finally:
        TestCase.assertAllClose = strict


# Classes whose tests ask JAX for nothing but the dtypes that it gives.
DTYPES_ALONE = (
    "backend/common/variables_test.py::VariableOpsDTypeTest",
    "ops/nn_test.py::NNOpsDtypeTest",
    "ops/numpy_test.py::NumpyDtypeTest",
)


def _by_shape_rules(test: Callable[[], None]) -> Callable[[], None]:
    """The test, with JAX tracing what it is asked for: compiling that takes it fifty times as long, and it is kept."""
    import jax

    @functools.wraps(test)
    def traced() -> None:
        try:
            jax.eval_shape(test)
        except (jax.errors.JAXTypeError, jax.errors.JAXIndexError):  # Here the dtype hangs on numbers.
            test()

    return traced


def _spare_jax(items: list[pytest.Item], complete: bool) -> None:
    asking = [item for item in items if _names(_short(item.nodeid))[2] in DTYPES_ALONE]
    if complete and len({item.cls for item in asking}) < len(DTYPES_ALONE):
        raise pytest.UsageError("DTYPES_ALONE names a class that there is not")
    for item in asking:
        item.obj = _by_shape_rules(item.obj)


# -- pytest's hooks -------------------------------------------------------------------------------------------


def pytest_configure(config: pytest.Config) -> None:
    for marker in ("requires_trainable_backend", "multi_device"):
        config.addinivalue_line("markers", f"{marker}: Keras's own")

    def interrupt(*_: Any) -> None:
        raise TooLong(f"the test took longer than {SECONDS} seconds")

    signal.signal(signal.SIGALRM, interrupt)


def _missing(test: str) -> str | None:
    """The package that a test or a file needs and the environment does not have."""
    package = next((NEEDS[name] for name in _names(test) if name in NEEDS), None)
    return package if package and importlib.util.find_spec(package) is None else None


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    _, source, file = collection_path.as_posix().partition("keras/src/")
    return True if source and _missing(file) else None


def _without_address(name: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A function that names parameters, less the addresses in memory in it, different in each process."""

    def named(value: Any) -> Any:
        found = name(value)
        return re.sub(r"at0x[0-9a-f]+", "", found) if isinstance(found, str) else found

    return named


@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    for mark in metafunc.definition.iter_markers("parametrize"):
        if callable(mark.kwargs.get("ids")):
            mark.kwargs["ids"] = _without_address(mark.kwargs["ids"])


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    complete = all(path.endswith("src") for path in config.option.file_or_dir)
    for item in items:
        if package := _missing(_short(item.nodeid)):
            item.add_marker(pytest.mark.skip(reason=f"{package} is not installed"))
        if "multi_device" in item.keywords:
            item.add_marker(pytest.mark.skip(reason=ONE_DEVICE))
        if "requires_trainable_backend" in item.keywords and keras_backend.backend() == "numpy":
            item.add_marker(pytest.mark.skipif(True, reason=NOT_TRAINABLE))
    if ON_KERASFLOW:
        _lift(items)
        _exclude(items, complete)
        _spare_jax(items, complete)


# Keras's tests collect garbage all the time: what is there before them, and what outlives many of them, is none.
SETTLED = 100
_ended = itertools.count(1)


def pytest_collection_finish(session: pytest.Session) -> None:
    gc.freeze()


def pytest_runtest_logfinish() -> None:
    if next(_ended) % SETTLED == 0:
        gc.collect()
        gc.freeze()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    # What hangs in Python is interrupted; what hangs elsewhere ends the worker, and another takes its place.
    signal.alarm(SECONDS)
    faulthandler.dump_traceback_later(SECONDS + 60, exit=True)
    jax = {name: sys.modules.get(name) for name in _IN_PLACE_OF_JAX}
    try:
        with _tolerance(item):
            return (yield)
    finally:
        for name, module in jax.items():
            if module is not None:
                sys.modules[name] = module
            else:
                sys.modules.pop(name, None)
        signal.alarm(0)
        faulthandler.cancel_dump_traceback_later()


class _Results:
    """One line of JSON for each test that ended."""

    def __init__(self, path: str) -> None:
        self.file = open(path, "a", buffering=1)  # noqa: SIM115  (open as long as the process)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when != "call" and report.passed:
            return
        outcome, reason = report.outcome, ""
        if hasattr(report, "wasxfail"):  # Not for a strict one that passed: that is a plain failure.
            outcome, reason = "xfailed" if report.skipped else "passed", report.wasxfail
        elif report.skipped and isinstance(report.longrepr, tuple):
            reason = report.longrepr[2].removeprefix("Skipped: ")
            if ON_KERASFLOW and not matching(KEPT, reason):
                outcome = "failed"
                reason = f"skipped for a reason that skips.py does not judge: {reason}"
        elif report.failed:
            crash = getattr(report.longrepr, "reprcrash", None)
            reason = crash.message if crash else str(report.longrepr)[-2000:]
        line = {
            "test": _short(report.nodeid),
            "outcome": outcome,
            "seconds": round(report.duration, 3),
            "trainable": "requires_trainable_backend" in report.keywords,
            "reason": reason,
        }
        self.file.write(json.dumps(line) + "\n")


def pytest_sessionstart(session: pytest.Session) -> None:
    if not hasattr(session.config, "workerinput"):  # The process that gathers, not a worker of it.
        session.config.pluginmanager.register(_Results(os.environ["KERAS_SUITE_RESULTS"]))
