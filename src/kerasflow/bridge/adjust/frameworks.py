"""Frameworks and packages that happen to be installed: Keras does not import them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType, SimpleNamespace
from typing import Any

from kerasflow.bridge.deferred import hidden


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
    with hidden("jax"):
        yield


class TypeOf(type):
    """A type of a package that Keras asks for its objects: while nobody has imported the package there are none."""

    package: str

    def __instancecheck__(cls, x: Any) -> bool:
        return isinstance(x, getattr(sys.modules.get(cls.package), cls.__name__, ()))


@contextmanager
def leave_pandas(module: ModuleType) -> Iterator[None]:
    """Keras would import pandas, where it is installed, to ask whether an object is one of its."""
    with hidden("pandas"):
        yield
    if module.pandas is None:
        frames = [TypeOf(name, (), {"package": "pandas"}) for name in ("Series", "DataFrame")]
        module.pandas = SimpleNamespace(**{cls.__name__: cls for cls in frames})  # type: ignore[attr-defined]
        module.ARRAY_TYPES += tuple(frames)  # type: ignore[attr-defined]
