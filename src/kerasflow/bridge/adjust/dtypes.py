"""What Keras makes of dtypes."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from kerasflow.graph import is_text

_INTEGERS = ("int64", "uint64")


@contextmanager
def keep_64_bits(module: ModuleType) -> Iterator[None]:
    """Numbers of 64 bits stay such, as with TensorFlow; JAX's default, which Keras follows elsewhere, halves them.

    Integers do where one of the arguments has them. Where none has, as for uint32 beside int32, the type is JAX's.
    """
    yield
    module.BIT64_TO_BIT32_DTYPE |= {x: x for x in ("float64", "complex128", *_INTEGERS)}  # type: ignore[attr-defined]
    # What `dtype=int` means. (Numbers of Python's take the dtype of what stands beside them.)
    module.PYTHON_DTYPES_MAP |= dict.fromkeys((int, "int"), "int64")  # type: ignore[attr-defined]
    join = module._lattice_result_type

    @functools.wraps(join)
    def lattice_result_type(*args: Any) -> Any:
        found = join(*args)
        if found not in _INTEGERS or any(
            x is not int and module.standardize_dtype(x) in _INTEGERS for x in args
        ):
            return found
        return found.replace("64", "32")

    module._lattice_result_type = lattice_result_type  # type: ignore[attr-defined]


@contextmanager
def name_strings(module: ModuleType) -> Iterator[None]:
    """NumPy has a dtype for each length of strings ("str96"), which Keras's preprocessing layers are given."""
    yield
    standardize = module.standardize_dtype

    @functools.wraps(standardize)
    def standardize_dtype(dtype: Any) -> Any:
        return "string" if is_text(dtype) else standardize(dtype)

    module.standardize_dtype = standardize_dtype  # type: ignore[attr-defined]
