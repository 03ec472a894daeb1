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
# Networks for which PyTensor's C compiler takes some ten seconds each; what they are made of is checked layer by layer.
COMPILED_LONG = re.compile(r"zoo/(vgg_block|resnet|mobilenet_block|unet|transformer_encoder) ")


def is_slow(name: str, check: testing.Check) -> bool:
    return bool(SLOW.match(str(check)) or (name == "pytensor" and COMPILED_LONG.match(str(check))))


def listed(name: str) -> list[Any]:
    return [
        pytest.param(name, check, marks=pytest.mark.slow if is_slow(name, check) else ())
        for check in testing.checks(name, FAMILIES.get(name))
    ]


@pytest.mark.parametrize(
    ("name", "check"), [param for name in installed_backends() for param in listed(name)], ids=str
)
def test_conformance(name: str, check: testing.Check) -> None:
    check()
