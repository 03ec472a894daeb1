"""What tests of several folders share."""

from __future__ import annotations

import gc
import os
import re
import signal
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import at_hand
import measured
import parts
import pytest

# A linear algebra library with a thread for each core mostly waits for its own threads beside other processes at work:
# the second of pytest's, and those that tests start. Read when NumPy is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from kerasflow.compiler import current_backend, registry

# Files whose tests share what takes minutes to make: they run in the same process.
TOGETHER = (
    "tests/keras/test_files.py",
    "tests/keras/test_parity.py",
    "tests/test_write_a_backend.py",
    "tests/upstream/test_keras_suite.py",
    "tests/upstream/test_libraries.py",
)


def pytest_configure() -> None:
    # Tests press Ctrl-C, which what a shell runs in the background ignores, with all that it starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """A test on a backend is skipped where the backend's framework is not installed."""
    given = item.callspec.params.values() if hasattr(item, "callspec") else ()
    at_hand.skip_without(x for x in given if isinstance(x, str))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Single tests for whichever process is free, but together those that share something expensive."""
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            # What several backends are compared with is computed once in a process.
            check = re.search(r"-((zoo|parity)/.*)\]$", nodeid)
            return check[1] if check else file if file in TOGETHER else nodeid

    return Scheduling(config, log)


def pytest_report_header() -> str:
    return f"slow tests: part {parts.turn()} of 0 to {parts.PARTS - 1}, unless chosen by name or -m (tests/parts.py)"


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the slow tests whose turn it is not."""
    if "slow" in config.option.markexpr or any("::" in argument for argument in config.args):
        return
    slow = [item for item in items if item.get_closest_marker("slow")]
    left = set(slow).difference(parts.part(slow, parts.turn()))
    config.hook.pytest_deselected(items=list(left))
    items[:] = [item for item in items if item not in left]


def pytest_terminal_summary(terminalreporter: Any, exitstatus: int, config: pytest.Config) -> None:
    option = config.option
    tests = measured.selected(config.args, option.markexpr, option.ignore or (), option.keyword)
    for text in measured.said(terminalreporter.stats):
        terminalreporter.write_line(text)
    whole = exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED) and not option.maxfail
    if tests is None or not whole:
        return
    counts = {name: len(reports) for name, reports in terminalreporter.stats.items()}
    counts["failed"] = counts.get("failed", 0) + counts.get("error", 0)
    failing = {
        report.nodeid for name in ("failed", "error") for report in terminalreporter.stats.get(name, ())
    }
    terminalreporter.write_line(measured.line(tests, counts, failing))


def pytest_collection_finish() -> None:
    # Keras and tests collect garbage; thousands of tests and some frameworks are none.
    gc.freeze()


@pytest.fixture(autouse=True)
def one_process() -> None:
    """The two processes of pytest share the cores already: what tests train is shared out where that is the matter."""
    backend: Any = current_backend("numpy")
    backend.processes = 1  # for each test, since whatever loads another backend sets it anew


@pytest.fixture
def double() -> Iterator[None]:
    """Numbers are float64 unless a test says otherwise."""
    import keras

    floatx, policy = keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_floatx(floatx)
    keras.config.set_dtype_policy(policy)


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Puts a distribution on the path, of this process and of those that it starts, that brings backends.

    To be called with the name of its module, the module's text and its entry points. The distribution has an extra,
    `homeless`.
    """
    caches = (registry._entry_points, registry._load)
    modules: list[str] = []

    def forget() -> None:
        for cache in caches:
            cache.cache_clear()
        for module in modules:
            sys.modules.pop(module, None)

    def add(module: str, text: str, points: Mapping[str, str]) -> None:
        modules.append(module)
        (tmp_path / f"{module}.py").write_text(textwrap.dedent(text))
        info = tmp_path / f"{module}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {module.replace('_', '-')}\nVersion: 1.0\nProvides-Extra: homeless\n"
        )
        listed = "".join(f"{name} = {place}\n" for name, place in points.items())
        (info / "entry_points.txt").write_text(f"[kerasflow.backends]\n{listed}")
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
        forget()

    yield add
    monkeypatch.undo()
    forget()
