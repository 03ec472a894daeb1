"""The kit's checks of every installed backend."""

import re
from typing import Any

import pytest
from graphs import installed_backends

from kerasflow import testing

# The NumPy backend's state is checked to the bit (test_state.py); networks and cases are compared with it.
FAMILIES = {"numpy": ("interface", "specs", "state")}
# Trainings that are there in double precision too, to 1e-9; and those of the zoo without dropout and shuffling.
SLOW = re.compile(r"zoo/.* float32|parity/(zoo|mnist)/")


def listed(name: str) -> list[Any]:
    return [
        pytest.param(name, check, marks=pytest.mark.slow if SLOW.match(str(check)) else ())
        for check in testing.checks(name, FAMILIES.get(name))
    ]


@pytest.mark.parametrize(
    ("name", "check"), [param for name in installed_backends() for param in listed(name)], ids=str
)
def test_conformance(name: str, check: testing.Check) -> None:
    check()
