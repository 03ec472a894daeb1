"""What the tests of libraries need beyond `on_backend`."""

from __future__ import annotations

import keras.src.trainers.trainer
import pytest
from differences import LIFTED
from lifting import lift
from on_backend import BACKEND, ON_KERASFLOW

if BACKEND == "tensorflow":
    # XLA takes seconds for each small model that a test makes, and nothing passes or fails by it.
    keras.src.trainers.trainer.model_supports_jit = lambda model: False


@pytest.hookimpl(trylast=True)  # After the library's own conftest.py, which marks what it skips.
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if ON_KERASFLOW:
        lift(items, LIFTED)
