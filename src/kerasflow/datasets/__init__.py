"""Data sets: MNIST, which needs no network here, and Keras's others, as they are.

`kerasflow.datasets.mnist` is this package's own; any other name (`cifar10`, `imdb`, …) is `keras.datasets`' module of
that name, fetched when it is first asked for.
"""

from __future__ import annotations

import types

from kerasflow.datasets import mnist, standin
from kerasflow.suggestion import did_you_mean

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
        known = sorted({*__all__, *_public_names()})
        raise AttributeError(
            f"there is no data set {name!r}; there are: {', '.join(known)}.{did_you_mean(name, known)}"
        ) from None


def __dir__() -> list[str]:
    return sorted({*globals(), *_public_names()})


def _public_names() -> list[str]:
    return [name for name in dir(_keras_datasets()) if not name.startswith("_")]
