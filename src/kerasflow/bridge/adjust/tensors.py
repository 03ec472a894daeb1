"""Keras's utilities that take every NumPy array for one that they may change."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from kerasflow.tracing.tensor import Tensor, plain, tensors


@contextmanager
def normalize_tensors(module: ModuleType) -> Iterator[None]:
    """`keras.utils.normalize`, which losses use, puts ones for zeros among the norms that it has computed."""
    yield
    normalize = module.normalize

    @functools.wraps(normalize)
    def normalize_plain(x: Any, *args: Any, **kwargs: Any) -> Any:
        result = normalize(plain(x), *args, **kwargs)
        return tensors(result) if isinstance(x, Tensor) else result

    module.normalize = normalize_plain  # type: ignore[attr-defined]
