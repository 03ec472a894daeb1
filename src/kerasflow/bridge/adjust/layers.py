"""Layers and optimizers whose own code does not fit a program that is recorded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from kerasflow.bridge.adjust.seen import Seen
from kerasflow.tracing import suspended


@contextmanager
def build_once(module: ModuleType) -> Iterator[None]:
    """Optimizers that a step builds are built outside of the program that records the step, as layers are."""
    yield

    def wrap(cls: type) -> None:
        if "build" in vars(cls):
            cls.build = suspended()(vars(cls)["build"])  # type: ignore[attr-defined]

    wrap(module.BaseOptimizer)
    module.BaseOptimizer.__init_subclass__ = classmethod(wrap)


@contextmanager
def equalize_as_for_jax(module: ModuleType) -> Iterator[None]:
    """Which bins are occupied Keras asks `nonzero`, whose result's shape depends on values; for JAX it goes without."""
    yield
    apply = module.Equalization._apply_equalization

    def apply_equalization(self: Any, channel: Any, hist: Any) -> Any:
        if self.backend.name == "numpy":
            self = Seen(self, backend=Seen(self.backend, name="jax"))
        return apply(self, channel, hist)

    module.Equalization._apply_equalization = apply_equalization
