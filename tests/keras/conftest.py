"""The reference results of stock Keras on TensorFlow, computed once a session in a process of its own."""

import importlib.util
from collections.abc import Iterator

import pytest
from stock_keras import DIFFERENCES, Reference

import kerasflow  # noqa: F401  (before Keras)


def pytest_configure(config: pytest.Config) -> None:
    config.stash[DIFFERENCES] = {}


@pytest.fixture(scope="session")
def reference(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Reference]:
    """Stock Keras on TensorFlow, running all the cases that this session tests."""
    if importlib.util.find_spec("tensorflow") is None:
        pytest.skip("the reference, TensorFlow, is not installed")
    params = [getattr(item, "callspec", None) for item in request.session.items]
    names = [p.params["case"].name for p in params if p is not None and "case" in p.params]
    running = Reference(names, tmp_path_factory.mktemp("reference"))
    yield running
    running.process.kill()
    running.process.wait()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """For each family of cases the largest difference from the reference."""
    largest: dict[str, tuple[float, str]] = {}
    for name, difference in config.stash[DIFFERENCES].items():
        family = name.partition("/")[0]
        largest[family] = max(largest.get(family, (-1.0, "")), (difference, name))
    if largest:
        terminalreporter.section("parity with stock Keras on TensorFlow")
    for family, (difference, name) in largest.items():
        count = sum(n.startswith(family + "/") for n in config.stash[DIFFERENCES])
        terminalreporter.line(
            f"{family}: {count} cases, largest relative difference {difference:.1e} ({name})"
        )
