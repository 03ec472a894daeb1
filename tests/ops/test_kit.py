"""The kit's checks find what backends may do wrong, say what is not there, and bring in Keras when they need it."""

from __future__ import annotations

import subprocess
import sys
import unittest
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from kerasflow.compiler import registry
from kerasflow.errors import UnknownBackendError
from kerasflow.graph import Graph, evaluate
from kerasflow.primitives import PRIMITIVES
from kerasflow.testing import Check, checks


class Right:
    """A backend that evaluates node by node, and knows a third of the language."""

    name = "right"
    primitives = frozenset(sorted(PRIMITIVES)[::3]) | {
        "add",
        "multiply",
        "sum",
        "matmul",
        "tanh",
        "transpose",
    }
    refused = dict.fromkeys(PRIMITIVES.keys() - primitives, "It is a test.")

    def compile(self, graph: Graph) -> Callable[..., Any]:
        def program(state: list[Any], inputs: list[Any]) -> tuple[list[Any], list[Any]]:
            outputs, new_state = evaluate(graph, state, inputs)
            return [np.array(x) for x in outputs], [np.array(x) for x in new_state]

        return program

    def from_host(self, array: Any) -> Any:
        return np.array(array)

    def to_host(self, buffer: Any) -> Any:
        return buffer


class SharesResults(Right):
    name = "shares results"

    def compile(self, graph: Graph) -> Callable[..., Any]:
        return lambda state, inputs: evaluate(graph, state, inputs)


class WritesInPlace(Right):
    """New state is written into the old buffers one by one, in the order of the state."""

    name = "writes in place"

    def compile(self, graph: Graph) -> Callable[..., Any]:
        def program(state: list[Any], inputs: list[Any]) -> tuple[list[Any], list[Any]]:
            outputs, new_state = evaluate(graph, state, inputs)
            for buffer, new in zip(state, new_state, strict=True):
                buffer[...] = new  # where `new` is another variable's buffer, that has been overwritten
            return [np.array(x) for x in outputs], state

        return program


class KeepsHostMemory(Right):
    name = "keeps host memory"

    def from_host(self, array: Any) -> Any:
        return array


class Silent(Right):
    name = "silent"
    refused = dict.fromkeys(Right.refused, "")


class Misspelt(Right):
    name = "misspelt"
    primitives = frozenset({"add", "subtrakt"})


class Inexact(Right):
    name = "inexact"

    def compile(self, graph: Graph) -> Callable[..., Any]:
        right = super().compile(graph)

        def program(state: list[Any], inputs: list[Any]) -> tuple[list[Any], list[Any]]:
            outputs, new_state = right(state, inputs)
            return [x * (1 + 1e-3) if x.dtype == np.float64 else x for x in outputs], new_state

        return program


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The backends of this file beside the installed ones."""
    found = dict(registry._entry_points())
    for cls in (Right, SharesResults, WritesInPlace, KeepsHostMemory, Silent, Misspelt, Inexact):
        found[cls.name] = SimpleNamespace(load=lambda cls=cls: cls)
    monkeypatch.setattr(registry, "_entry_points", lambda: found)


def check(backend: str, name: str) -> Check:
    [found] = [c for c in checks(backend) if str(c) == name]
    return found


def test_the_right_one_passes_and_what_it_lacks_is_seen() -> None:
    skipped = []
    for each in checks("right", ["interface", "state"]):
        try:
            each()
        except unittest.SkipTest as reason:
            skipped.append(str(reason))
    assert skipped and all("`" in reason and reason.count("It is a test.") == 1 for reason in skipped)
    assert any(reason.count("`") > 2 for reason in skipped), "no check needs two primitives that are lacking"
    listed = {c.what.partition("-")[0] for c in checks("right", ["specs"])}
    assert listed == Right.primitives


@pytest.mark.parametrize(
    ("backend", "name", "message"),
    [
        ("shares results", "state/view of new", "result 0 is shared"),
        ("writes in place", "state/swap", "Not equal"),
        ("keeps host memory", "state/buffers are copies", "back from a buffer"),
        ("silent", "interface/what is lacking has a reason", "gives no reason in `refused`: .*"),
        ("misspelt", "interface/attributes", r"names of no primitive: \['subtrakt'\]"),
        ("inexact", "specs/add-(2x3,2x3)", "in float64"),
        ("inexact", "parity/model/float64", "losses: .*e-0"),
    ],
)
def test_a_fault_is_found(backend: str, name: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if name.startswith("parity"):  # The whole language, since this one is to train.
        monkeypatch.setattr(Inexact, "primitives", frozenset(PRIMITIVES))
    with pytest.raises(AssertionError, match=message):
        check(backend, name)()


def test_names_are_unique_and_wrong_ones_are_told() -> None:
    names = list(map(str, checks("numpy")))
    assert len(names) == len(set(names))
    with pytest.raises(ValueError, match=r"no checks.*'zooo'.*zoo"):
        checks("numpy", ["zooo"])
    with pytest.raises(UnknownBackendError, match="'nobody'"):
        checks("nobody")


def test_keras_is_imported_when_it_is_needed() -> None:
    wanted = "t.checks('numpy', ['specs', 'state'])"
    program = f"import sys, kerasflow.testing as t; {wanted}; assert 'keras' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)
