"""What Keras makes of dtypes."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from kerasflow.graph import is_text


@contextmanager
def keep_float64(module: ModuleType) -> Iterator[None]:
    """Float64 stays float64, as with TensorFlow; JAX's default, which Keras follows elsewhere, makes it float32."""
    yield
    module.BIT64_TO_BIT32_DTYPE |= {"float64": "float64", "complex128": "complex128"}  # type: ignore[attr-defined]


@contextmanager
def name_strings(module: ModuleType) -> Iterator[None]:
    """NumPy has a dtype for each length of strings ("str96"), which Keras's preprocessing layers are given."""
    yield
    standardize = module.standardize_dtype

    @functools.wraps(standardize)
    def standardize_dtype(dtype: Any) -> Any:
        return "string" if is_text(dtype) else standardize(dtype)

    module.standardize_dtype = standardize_dtype  # type: ignore[attr-defined]
