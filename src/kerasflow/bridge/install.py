"""The plug: an import hook that serves Keras's "numpy" backend from this package.

Keras names its backend in four places, each `if backend() == "numpy": from
keras.src.backend.numpy... import ...`. A finder on `sys.meta_path` answers for
those modules, so that Keras itself stays as it is installed. Where they are,
and under which names Keras has what they give, depends on its version (`versions`).
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from types import ModuleType

from kerasflow.bridge.adjust import ADJUSTED, adjustment
from kerasflow.bridge.deferred import (
    MODULES,
    PACKAGES,
    DeferringLoader,
    WrappingLoader,
    is_hidden,
    put_off,
)
from kerasflow.bridge.signatures import drop_hints
from kerasflow.bridge.versions import LAYOUT
from kerasflow.errors import ImportOrderError

# Keras's modules of operations, and the ones of this package that take their places.
SERVED = {
    **{
        f"{LAYOUT.operations}.{name}": f"kerasflow.bridge.ops.{name}"
        for name in ("core", "nn", "math", "linalg", "image")
    },
    **{f"keras.src.backend.numpy.{name}": f"kerasflow.bridge.{name}" for name in ("random", "rnn")},
}


class _AliasLoader(importlib.abc.Loader):
    """Gives a module under another name.

    Args:
        name: the module's own name.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        self.module = importlib.import_module(self.name)
        self.spec = self.module.__spec__
        self.alias = spec.name
        return self.module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self.spec  # The import system has put Keras's there.


class _ServingLoader(_AliasLoader):
    """Gives a module of this package as one of the operations of Keras's backend."""

    def exec_module(self, module: ModuleType) -> None:
        super().exec_module(module)
        drop_hints(vars(module).values())
        from kerasflow.bridge.ops.results import serve_operations  # It needs what the module has loaded.

        serve_operations(module, self.alias)


class _AdjustingLoader(WrappingLoader):
    """Loads the installed module, with an adjustment around its execution."""

    def exec_module(self, module: ModuleType) -> None:
        with ExitStack() as around:
            if module.__name__ in PACKAGES:
                around.enter_context(put_off(module))
            if module.__name__ in ADJUSTED:
                around.enter_context(adjustment(module.__name__)(module))
            self.loader.exec_module(module)


class Finder(importlib.abc.MetaPathFinder):
    """Finds the modules of `SERVED`, `ADJUSTED` and those that wait; leaves all others to the finders behind it."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name in SERVED:
            return importlib.machinery.ModuleSpec(name, _ServingLoader(SERVED[name]))
        if name in ADJUSTED or name in PACKAGES or name in MODULES:
            spec = importlib.machinery.PathFinder.find_spec(name, path, target)
            if spec is not None and spec.loader is not None:
                spec.loader = (DeferringLoader if name in MODULES else _AdjustingLoader)(spec.loader)
            return spec
        if is_hidden(name):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return None


class PublicFinder(importlib.abc.MetaPathFinder):
    """Finds Keras's public modules under this package's name: `from kerasflow.layers import Dense`.

    Stands behind all other finders, so that the package's own modules come first.
    """

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        package, _, rest = name.partition(".")
        if package != "kerasflow" or not rest:
            return None
        twin = f"keras.{rest}"
        try:
            importlib.import_module(twin)
        except ModuleNotFoundError:
            return None
        return importlib.machinery.ModuleSpec(name, _AliasLoader(twin), is_package=True)


def install() -> None:
    """Put the hook in place; calling it again does nothing.

    Raises:
        ImportOrderError: if Keras is imported already.
    """
    if any(isinstance(finder, Finder) for finder in sys.meta_path):
        return
    if "keras.src.backend.config" in sys.modules or "keras" in sys.modules:
        raise ImportOrderError(
            "Keras was imported before kerasflow, so its backend is fixed already. Put `import kerasflow` before the "
            "first `import keras` or `import tensorflow`, which imports Keras too (in a notebook, restart the kernel), "
            "or run the program unchanged with `python -m kerasflow script.py`."
        )
    sys.meta_path.insert(0, Finder())
    sys.meta_path.append(PublicFinder())
