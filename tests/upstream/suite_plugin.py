"""What Keras's own test suite needs beyond `on_backend`: its `conftest.py`, and our tables of skips and exclusions.

`run.py` loads it (`-p suite_plugin`), after `on_backend`, which has chosen the backend.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import re
import sys
import types
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
from exclusions import EXCLUSIONS, ROUNDING
from keras.src import backend as keras_backend
from lifting import lift
from on_backend import ON_KERASFLOW
from skips import ANSWERS, LIFTED, NEEDS

NAME = keras_backend.backend()
# What tests of gradients and of sparse tensors use of JAX, on kerasflow; in `sys.modules` from where one is told that
# the backend is "jax" to the test's end.
_IN_PLACE_OF_JAX: dict[str, types.ModuleType] = {}
if ON_KERASFLOW:
    import jax_sparse

    import kerasflow

    _IN_PLACE_OF_JAX.update(jax_sparse.modules(grad=kerasflow.grad, jit=kerasflow.jit))


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
        code = sys._getframe(1).f_code
        answer = self.answers.get(code.co_qualname.partition(".<locals>")[0])
        return _told_jax() if answer == "jax" else answer or _backend(code)


def _told_jax() -> str:
    sys.modules.update(_IN_PLACE_OF_JAX)
    return "jax"


def _backend(code: types.CodeType) -> str:
    """What a function is told that the table has nothing for."""
    return _told_jax() if jax_sparse.names_sparse(code) else NAME


def _answer_sparse() -> None:
    """Have functions that make sparse tensors make ours; some do while their modules are imported."""
    keras_backend.backend = lambda: _backend(sys._getframe(1).f_code)


def _answer() -> None:
    for name, answers in ANSWERS.items():
        if name in sys.modules:
            for function in answers:
                cls, _, method = function.partition(".")
                if not any(x.startswith(method) for x in dir(getattr(sys.modules[name], cls))):
                    raise pytest.UsageError(f"skips.py: there is no {function} in {name}")
            sys.modules[name].backend = _Asked(answers)  # type: ignore[attr-defined]


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
    unused = {*reasons, *TOLERANCES} - {name for item in items for name in _names(_short(item.nodeid))}
    unused = {name for name in unused if not _missing(name)}
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
    if ON_KERASFLOW:
        _answer_sparse()
    for marker in ("requires_trainable_backend", "multi_device"):
        config.addinivalue_line("markers", f"{marker}: Keras's own")


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
        lift(items, LIFTED)
        _answer()
        _exclude(items, complete)
        _spare_jax(items, complete)


@contextlib.contextmanager
def _jax_is_back() -> Generator[None]:
    """What somebody in the block was told to take for JAX is gone behind it."""
    jax = {name: sys.modules.get(name) for name in _IN_PLACE_OF_JAX}
    try:
        yield
    finally:
        for name, module in jax.items():
            if sys.modules.get(name) is not _IN_PLACE_OF_JAX[name]:
                continue  # JAX itself may have been imported.
            if module is not None:
                sys.modules[name] = module
            else:
                del sys.modules[name]


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Generator[None, Any, Any]:
    with _jax_is_back():
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    with _jax_is_back(), _tolerance(item):
        return (yield)
