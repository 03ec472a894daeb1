"""KerasHub's tasks: which function `generate` calls."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any


@contextmanager
def compile_generation(module: ModuleType) -> Iterator[None]:
    """KerasHub compiles a task's `generate_step` with TensorFlow and JAX, and calls it as it is for "numpy"."""
    yield
    for task in vars(module).values():
        if isinstance(task, type) and task.__module__ == module.__name__:
            task.make_generate_function = make_generate_function  # type: ignore[attr-defined]


def make_generate_function(self: Any) -> Any:
    """The function that generates; `compile` makes the attribute None."""
    if self.generate_function is None:
        from kerasflow.bridge.generation import Generation  # It needs all of Keras.

        self.generate_function = Generation(self)
    return self.generate_function
