"""Keras's own NumPy operations."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from kerasflow.bridge.ops import numpy as overrides
from kerasflow.bridge.ops.results import serve_operations
from kerasflow.bridge.signatures import drop_hints


@contextmanager
def override_numpy(module: ModuleType) -> Iterator[None]:
    """Keras's own NumPy operations are served as they are, but for the few that do not trace."""
    yield
    for name, function in overrides.OVERRIDES.items():
        setattr(module, name, function)
    drop_hints(overrides.OVERRIDES.values())
    for name, wrap in overrides.AROUND.items():
        if hasattr(module, name):  # Not every version of Keras has all of them.
            setattr(module, name, wrap(getattr(module, name)))
    serve_operations(module, module.__name__)
