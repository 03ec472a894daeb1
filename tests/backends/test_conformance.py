"""The kit's checks of every installed backend."""

from typing import Any

import pytest
from graphs import installed_backends

from kerasflow import testing

# The NumPy backend's state is checked to the bit (test_state.py); networks and cases are compared with it.
FAMILIES = {"numpy": ("interface", "specs", "state")}


def listed(name: str) -> list[Any]:
    return [
        pytest.param(name, check, marks=pytest.mark.slow if check.family == "parity" else ())
        for check in testing.checks(name, FAMILIES.get(name))
    ]


@pytest.mark.parametrize(
    ("name", "check"), [param for name in installed_backends() for param in listed(name)], ids=str
)
def test_conformance(name: str, check: testing.Check) -> None:
    check()
