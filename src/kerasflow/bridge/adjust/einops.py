"""einops: its functions on what stands for an array while a model is traced."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from kerasflow.tracing.tracer import Tracer


@contextmanager
def compute_on_tracers(module: ModuleType) -> Iterator[None]:
    """einops asks each subclass of its `AbstractBackend` for whose tensors it is; arrays are its NumPy backend's."""
    yield

    class TracerBackend(module.NumpyBackend):  # type: ignore[name-defined]
        """NumPy's functions, which tracers record."""

        framework_name = "kerasflow"

        def is_appropriate_type(self, tensor: Any) -> bool:
            return isinstance(tensor, Tracer)

    vars(module)["TracerBackend"] = TracerBackend  # A class that nothing holds is no subclass for long.
