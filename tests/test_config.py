"""Settings from the environment."""

import pytest

from kerasflow.config import Settings, from_environment


def test_the_environment_is_read():
    said = {"KERASFLOW_BACKEND": "other", "KERASFLOW_THREADS": "3", "KERASFLOW_VERIFY": "0"}
    assert from_environment(said) == Settings("other", 3, False)


def test_an_empty_variable_is_as_good_as_none():
    empty = dict.fromkeys(("KERASFLOW_BACKEND", "KERASFLOW_THREADS", "KERASFLOW_VERIFY"), "")
    assert from_environment(empty) == from_environment({}) == Settings("numpy", None, True)


@pytest.mark.parametrize("threads", ["0", "-1", "two", " "])
def test_what_is_no_number_of_threads(threads):
    with pytest.raises(ValueError, match="KERASFLOW_THREADS must be a positive integer, received"):
        from_environment({"KERASFLOW_THREADS": threads})
