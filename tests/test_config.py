"""Settings from the environment."""

import pytest

from kerasflow._settings import Settings, from_environment


def test_the_environment_is_read():
    said = {
        "KERASFLOW_BACKEND": "other",
        "KERASFLOW_THREADS": "3",
        "KERASFLOW_PROGRAMS": "7",
        "KERASFLOW_VERIFY": "0",
        "KERASFLOW_DEBUG_NANS": "1",
    }
    assert from_environment(said) == Settings("other", 3, 7, False, True)


def test_an_empty_variable_is_as_good_as_none():
    names = ("BACKEND", "THREADS", "PROGRAMS", "VERIFY", "DEBUG_NANS")
    empty = dict.fromkeys((f"KERASFLOW_{name}" for name in names), "")
    assert from_environment(empty) == from_environment({}) == Settings("numpy", None, 128, True)


@pytest.mark.parametrize("name", ["KERASFLOW_THREADS", "KERASFLOW_PROGRAMS"])
@pytest.mark.parametrize("number", ["0", "-1", "two", " ", "²"])
def test_what_is_no_number(name, number):
    with pytest.raises(ValueError, match=f"{name} must be a positive integer, received"):
        from_environment({name: number})
