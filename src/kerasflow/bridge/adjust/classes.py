"""The classes of a backend that Keras builds its own upon."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from kerasflow.bridge.versions import LAYOUT


@contextmanager
def give_class(module: ModuleType, theirs: str, file: str, ours: str) -> Iterator[None]:
    """Keras takes our class for its NumPy backend's own, which can do less.

    Args:
        theirs: what Keras calls the class. file, ours: where it is in the bridge, and its name there.
    """
    yield
    setattr(module, theirs, getattr(importlib.import_module(f"kerasflow.bridge.{file}"), ours))


give_layer = functools.partial(give_class, theirs="NumpyLayer", file="layer", ours="NumpyLayer")
give_trainer = functools.partial(give_class, theirs=LAYOUT.trainer.name, file="trainer", ours="NumpyTrainer")
give_archive = functools.partial(
    give_class, theirs=LAYOUT.archive.name, file="export", ours="NumpyExportArchive"
)
