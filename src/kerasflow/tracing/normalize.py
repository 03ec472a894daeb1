"""From NumPy's many forms of arguments to one canonical form: operands, dtypes, axes.

Canonical: operands of a node have the dtypes of the ufunc's inner loop (casts
are nodes of their own), axes are tuples of non-negative integers, Python
scalars have become arrays of the dtype that NumPy's promotion (NEP 50) gives them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kerasflow.tracing.source import at_user_line
from kerasflow.tracing.trace import adopted, apply, watched
from kerasflow.tracing.tracer import Tracer

# The types of Python's numbers.
SCALARS = (bool, int, float, complex)


def cast(x: Any, dtype: Any) -> Any:
    """x with the given dtype; a node only where the dtype changes."""
    dtype = np.dtype(dtype)
    if isinstance(x, Tracer):
        return x if x.dtype == dtype else apply("astype", x, dtype=dtype)
    return np.asarray(x, dtype=dtype)


def as_operand(x: Any) -> Any:
    """A tracer or an array; sequences that hold tracers are stacked."""
    if isinstance(x, (Tracer, np.ndarray)):
        return watched(x)
    if isinstance(x, (list, tuple)) and holds_tracer(x):
        return np.stack(promote([as_operand(leaf) for leaf in x]))
    x = adopted(x)
    return x if isinstance(x, Tracer) else np.asarray(x)


def holds_tracer(x: Any) -> bool:
    """Whether a nested sequence has a tracer in it."""
    return any(
        holds_tracer(leaf) if isinstance(leaf, (list, tuple)) else isinstance(leaf, Tracer) for leaf in x
    )


def promote(xs: list[Any]) -> list[Any]:
    """Arrays and tracers with their common dtype."""
    dtypes = {x.dtype for x in xs}
    return xs if len(dtypes) == 1 else [cast(x, np.result_type(*dtypes)) for x in xs]


def is_weak(x: Any) -> bool:
    """Whether x is a Python number, which takes the dtype of the arrays beside it (NEP 50)."""
    return isinstance(x, SCALARS) and not isinstance(x, np.generic)


def common_dtype(*xs: Any) -> np.dtype[Any]:
    """The dtype of operands that are brought together; a Python number takes that of the others."""
    strong = [as_operand(x).dtype for x in xs if not is_weak(x)]
    if any(dtype.kind == "V" for dtype in strong):
        return np.result_type(*strong)
    return np.result_type(*strong, *(x for x in xs if is_weak(x)))


def canonical_axes(axis: Any, ndim: int) -> tuple[int, ...]:
    """NumPy's `axis` (None, an integer or a tuple) as a sorted tuple of non-negative axes.

    Raises:
        np.exceptions.AxisError: if an axis is out of bounds. ValueError: if one appears twice.
    """
    if axis is None:
        return tuple(range(ndim))
    axes = axis if isinstance(axis, (tuple, list)) else (axis,)
    result = tuple(sorted(canonical_axis(a, ndim) for a in axes))
    if len(set(result)) != len(result):
        raise ValueError("duplicate value in 'axis'")
    return result


def canonical_axis(axis: Any, ndim: int) -> int:
    """One axis, non-negative."""
    axis = axis.__index__()
    if not -ndim <= axis < ndim:
        # Keras takes an error's first argument for its message.
        raise np.exceptions.AxisError(
            at_user_line(f"axis {axis} is out of bounds for array of dimension {ndim}")
        )
    return axis % ndim if ndim else 0
