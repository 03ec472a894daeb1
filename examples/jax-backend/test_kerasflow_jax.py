"""kerasflow's conformance kit on this backend."""

import pytest

import kerasflow.testing


@pytest.mark.parametrize("check", kerasflow.testing.checks("jax"), ids=str)
def test_conformance(check):
    check()
