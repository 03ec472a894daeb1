"""The kit's checks of every installed backend."""

import pytest
from graphs import installed_backends

from kerasflow import testing

# The NumPy backend's state is checked to the bit (test_state.py); networks and cases are compared with it.
FAMILIES = {"numpy": ("interface", "specs", "state")}


@pytest.mark.parametrize(
    ("name", "check"),
    [(name, check) for name in installed_backends() for check in testing.checks(name, FAMILIES.get(name))],
    ids=str,
)
def test_conformance(name: str, check: testing.Check) -> None:
    check()
