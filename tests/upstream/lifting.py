"""Runs tests that a suite skips for a reason that does not hold for kerasflow."""

from __future__ import annotations

import re
import unittest
from collections.abc import Callable, Iterable
from typing import Any

import pytest


def matching(table: dict[str, str], reason: str) -> str | None:
    """The entry of a table for a skip, or None: the first whose regular expression fits the reason's beginning."""
    text = " ".join(reason.split())
    return next((pattern for pattern in table if re.match(pattern, text)), None)


def lift(items: Iterable[pytest.Item], lifted: dict[str, str]) -> None:
    """Have tests run in spite of skips and of expected failures for the reasons of a table.

    Args:
        items: the tests, with their marks.
        lifted: regular expressions for the beginnings of reasons, and for each why it is lifted.
    """

    def is_lifted(reason: str) -> bool:
        return matching(lifted, reason) is not None

    pytest.skip = _unless(is_lifted, pytest.skip, 0)
    pytest.xfail = _not_excused(is_lifted, pytest.xfail)
    unittest.TestCase.skipTest = _unless(is_lifted, unittest.TestCase.skipTest, 1)  # type: ignore[method-assign]
    for node in {node for item in items for node in item.listchain()}:
        node.own_markers[:] = [
            mark
            for mark in node.own_markers
            if mark.name != "skipif" or not is_lifted(mark.kwargs.get("reason", ""))
        ]


def _unless(is_lifted: Callable[[str], bool], skip: Callable[..., Any], place: int) -> Callable[..., Any]:
    """A function that skips the running test, except for a reason that is lifted: then the test goes on.

    Args:
        place: of the reason among the positional arguments.
    """

    def skip_unless_lifted(*args: Any, **kwargs: Any) -> None:
        reason = args[place] if len(args) > place else kwargs.get("reason", "")
        if not is_lifted(reason):
            skip(*args, **kwargs)

    skip_unless_lifted.Exception = getattr(skip, "Exception", None)  # type: ignore[attr-defined]
    return skip_unless_lifted


def _not_excused(is_lifted: Callable[[str], bool], xfail: Callable[..., Any]) -> Callable[..., Any]:
    """`pytest.xfail` in a test's body, except where it excuses what is lifted: that is a failure."""

    def xfail_unless_lifted(reason: str = "") -> None:
        (pytest.fail if is_lifted(reason) else xfail)(reason)

    xfail_unless_lifted.Exception = xfail.Exception  # type: ignore[attr-defined]
    return xfail_unless_lifted
