"""What Keras would import at once, and few programs need: it waits until something is asked of it.

Scikit-learn, Matplotlib and others take longer to import than Keras, which imports them where they are installed.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import ModuleType
from typing import Any

# Modules of Keras that are executed when somebody first asks for something in them. No other module of Keras does.
MODULES = frozenset(
    {
        "keras._tf_keras",  # all of Keras's public modules a second time, for `tf.keras`
        "keras._tf_keras.keras.visualization",
        "keras._tf_keras.keras.wrappers",
        "keras.src.visualization",  # Matplotlib
        "keras.visualization",
        "keras.wrappers",  # scikit-learn, whose classes are the bases of Keras's
    }
)

# What a module of Keras uses of other packages in its functions alone: its names for it.
PACKAGES = {
    "keras.src.callbacks.remote_monitor": {"requests": "requests"},
    "keras.src.saving.file_editor": {"ipython": "IPython"},
    "keras.src.saving.saving_lib": {"psutil": "psutil"},
    "keras.src.utils.audio_dataset_utils": {"signal": "scipy.signal", "wavfile": "scipy.io.wavfile"},
}


class WrappingLoader(importlib.abc.Loader):
    """A module's own loader, but for how the module is executed.

    Args:
        loader: the module's own.
    """

    def __init__(self, loader: importlib.abc.Loader) -> None:
        self.loader = loader

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return self.loader.create_module(spec)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.loader, name)


class DeferringLoader(WrappingLoader):
    """Executes a module when it is first asked for what it does not have yet."""

    def exec_module(self, module: ModuleType) -> None:
        contents = _Contents(module, self.loader)
        vars(module).update(__getattr__=contents.get, __dir__=contents.names)


class _Contents:
    """What a module that is not executed yet would have."""

    def __init__(self, module: ModuleType, loader: importlib.abc.Loader) -> None:
        self.module, self.loader = module, loader
        self.lock = threading.RLock()
        self.begun = False

    def get(self, name: str) -> Any:
        """The module's `__getattr__`: asked for what is not there, or not yet."""
        # Tools ask each module for names of this kind, which the module would not get by being executed.
        if name == "__all__" or not name.startswith("__"):
            self.load()
            if name in vars(self.module):
                return vars(self.module)[name]
        raise AttributeError(f"module {self.module.__name__!r} has no attribute {name!r}")

    def names(self) -> list[str]:
        """The module's `__dir__`."""
        self.load()
        return sorted(vars(self.module))

    def load(self) -> None:
        """Execute the module; other threads wait for it. After an error the next one who asks tries again."""
        with self.lock:
            if self.begun:
                return
            self.begun = True
            try:
                self.loader.exec_module(self.module)
            except BaseException:
                self.begun = False
                raise


class Later(ModuleType):
    """A module that is imported when something of it is used."""

    def __getattr__(self, name: str) -> Any:
        return getattr(importlib.import_module(self.__name__), name)


@contextmanager
def put_off(module: ModuleType) -> Iterator[None]:
    """Around the execution of one of Keras's modules: it does not import what `PACKAGES` has for it."""
    packages = {place: place.partition(".")[0] for place in PACKAGES[module.__name__].values()}
    with hidden(*packages.values()):
        yield
    for name, place in PACKAGES[module.__name__].items():
        if vars(module).get(name, module) is None and is_installed(packages[place]):
            setattr(module, name, Later(place))


def is_installed(package: str) -> bool:
    """Whether a package could be imported, as far as can be told without doing so."""
    try:
        return importlib.util.find_spec(package) is not None
    except ImportError:  # of a finder that keeps a package out
        return False


# -- packages that are not there for what this thread imports -------------------------------------------------------

_hidden: ContextVar[frozenset[str]] = ContextVar("_hidden", default=frozenset())


@contextmanager
def hidden(*packages: str) -> Iterator[None]:
    """Let imports of packages that nobody has imported yet fail, as if they were not installed."""
    token = _hidden.set(_hidden.get().union(packages))
    try:
        yield
    finally:
        _hidden.reset(token)


def is_hidden(name: str) -> bool:
    """Whether a module is not to be found now."""
    return name in _hidden.get()
