"""Every architecture of the zoo learns its task."""

from collections.abc import Callable

import keras
import pytest

from kerasflow.testing.keras_cases.zoo import ARCHITECTURES, Task


@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=lambda f: f.__name__)
def test_learns(architecture: Callable[..., Task]) -> None:
    """After training it reaches a score that it cannot reach without having learned: not before, and not blindly."""
    keras.utils.set_random_seed(1)
    task = architecture()
    assert max(task.blind, task.score(task.model)) < task.pass_mark - 0.1
    task.fit()
    assert task.score(task.model) >= task.pass_mark
