"""What tests can run on: the backends whose frameworks are installed."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterable

import pytest

# Those of this project, whose frameworks are called as they are.
ALL = ("numpy", "tensorflow", "pytensor")
BACKENDS = [name for name in ALL if importlib.util.find_spec(name) is not None]


def skip_without(names: Iterable[str]) -> None:
    """Skip the running test if one of these names is that of a backend whose framework is not installed."""
    for name in set(names).intersection(ALL).difference(BACKENDS):
        pytest.skip(f"{name} is not installed")


def skip_without_those_of(text: str) -> None:
    """The same for the names in a program, or in what it says."""
    skip_without(re.findall(r"\w+", text))
