"""Data sets: MNIST, which needs no network here, and Keras's others, as they are.

`kerasflow.datasets.mnist` is this package's own; any other name (`cifar10`, `imdb`, …) is `keras.datasets`' module of
that name, fetched when it is first asked for.
"""

from __future__ import annotations

import types

from kerasflow.datasets import mnist, standin

__all__ = ["mnist", "standin"]


def _keras_datasets() -> types.ModuleType:
    import keras  # late: a program that has its data in a file need not wait for Keras here

    return keras.datasets


def __getattr__(name: str) -> types.ModuleType:
    if name.startswith("_"):  # dunder look-ups by tools must not import Keras
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(_keras_datasets(), name)
    except AttributeError:
        known = ", ".join(entry for entry in __dir__() if not entry.startswith("_"))
        raise AttributeError(f"there is no data set {name!r}; there are: {known}") from None


def __dir__() -> list[str]:
    public = [name for name in dir(_keras_datasets()) if not name.startswith("_")]
    return sorted({*globals(), *public})
