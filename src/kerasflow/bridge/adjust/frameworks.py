"""Frameworks that happen to be installed: Keras does not import them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any


class IfImported:
    """Keras's lazy module for TensorFlow, which is there only if somebody else has imported it."""

    @property
    def available(self) -> bool:
        return "tensorflow" in sys.modules

    def __getattr__(self, name: str) -> Any:
        return getattr(sys.modules["tensorflow"], name)


@contextmanager
def leave_tensorflow(module: ModuleType) -> Iterator[None]:
    """Keras would import TensorFlow, where it is installed, to seed it or to ask whether an object is one of its."""
    yield
    module.tf = IfImported()  # type: ignore[attr-defined]


@contextmanager
def leave_jax(module: ModuleType) -> Iterator[None]:
    """Keras would import JAX, where it is installed, to mend a function of old versions of it."""
    missing = "jax" not in sys.modules
    if missing:
        sys.modules["jax"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        if missing:
            del sys.modules["jax"]
