"""Keras's utilities that do something else with an array of NumPy's, for which they take our tensors."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from kerasflow.tracing.tensor import Tensor


@contextmanager
def normalize_tensors(module: ModuleType) -> Iterator[None]:
    """`keras.utils.normalize`, which `Dot` and losses use, gives a tensor what it gives one that is traced."""
    yield
    normalize = module.normalize

    @functools.wraps(normalize)
    def normalize_tensor(x: Any, axis: int = -1, order: int = 2) -> Any:
        from keras.src import ops  # as Keras does: its operations are not there yet

        return (ops.nn.normalize if isinstance(x, Tensor) else normalize)(x, axis=axis, order=order)

    module.normalize = normalize_tensor  # type: ignore[attr-defined]
