"""Layers and optimizers whose own code does not fit a program that is recorded."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from kerasflow.bridge.adjust.seen import Seen
from kerasflow.compiler.interrupts import undisturbed
from kerasflow.tracing import suspended


def _not_by_halves(apply: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(apply)
    def applied(*args: Any, **kwargs: Any) -> Any:
        return undisturbed(functools.partial(apply, *args, **kwargs))

    return applied


@contextmanager
def build_once(module: ModuleType) -> Iterator[None]:
    """Optimizers that a step builds are built outside of the program that records the step, as layers are.

    In a loop of one's own, Ctrl-C waits until all variables are a step further.
    """
    yield

    def wrap(cls: type) -> None:
        if "build" in vars(cls):
            cls.build = suspended()(vars(cls)["build"])  # type: ignore[attr-defined]
        if "apply" in vars(cls):
            cls.apply = _not_by_halves(vars(cls)["apply"])  # type: ignore[attr-defined]

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
