"""From NumPy's many argument forms to one canonical form: ufunc calls here, functions in `tracing.functions`.

Canonical: operands of a node have the dtypes of the ufunc's inner loop (casts
are nodes of their own), axes are tuples of non-negative integers, Python
scalars have become arrays of the dtype that NumPy's promotion (NEP 50) gives them.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from kerasflow.errors import TracingError
from kerasflow.primitives import PRIMITIVES
from kerasflow.primitives.elementwise import resolve_dtypes
from kerasflow.tracing.source import at_user_line
from kerasflow.tracing.trace import apply
from kerasflow.tracing.tracer import Tracer

# NumPy's other names for a primitive.
ALIASES = {"fabs": "absolute", "true_divide": "divide", "degrees": "rad2deg", "radians": "deg2rad"}

# `ufunc.reduce` as a function.
REDUCE: dict[np.ufunc, Callable[..., Any]] = {
    np.add: np.sum,
    np.multiply: np.prod,
    np.maximum: np.max,
    np.minimum: np.min,
    np.logical_and: np.all,
    np.logical_or: np.any,
}
ACCUMULATE: dict[np.ufunc, Callable[..., Any]] = {np.add: np.cumsum, np.multiply: np.cumprod}

_SCALARS = (bool, int, float, complex)


def is_operand(x: Any) -> bool:
    """Whether x can stand beside a tracer in an operation."""
    return isinstance(x, (Tracer, np.ndarray, np.generic, list, tuple, *_SCALARS))


def cast(x: Any, dtype: Any) -> Any:
    """x with the given dtype; a node only where the dtype changes."""
    dtype = np.dtype(dtype)
    if isinstance(x, Tracer):
        return x if x.dtype == dtype else apply("astype", x, dtype=dtype)
    return np.asarray(x, dtype=dtype)


def as_operand(x: Any) -> Any:
    """A tracer or an array; sequences that hold tracers are stacked."""
    if isinstance(x, (Tracer, np.ndarray)):
        return x
    if isinstance(x, (list, tuple)) and holds_tracer(x):
        return np.stack(promote([as_operand(leaf) for leaf in x]))
    return np.asarray(x)


def holds_tracer(x: Any) -> bool:
    """Whether a nested sequence has a tracer in it."""
    return any(
        holds_tracer(leaf) if isinstance(leaf, (list, tuple)) else isinstance(leaf, Tracer) for leaf in x
    )


def promote(xs: list[Any]) -> list[Any]:
    """Arrays and tracers with their common dtype."""
    dtypes = {x.dtype for x in xs}
    return xs if len(dtypes) == 1 else [cast(x, np.result_type(*dtypes)) for x in xs]


def elementwise(ufunc: np.ufunc, *inputs: Any, dtype: Any = None) -> Any:
    """A ufunc call in canonical form.

    Args:
        dtype: compute in this dtype (NumPy's `dtype=` argument).
    """
    name = ALIASES.get(ufunc.__name__, ufunc.__name__)
    if name not in PRIMITIVES and name != "positive":
        raise unknown_function(_written(ufunc))
    operands = [x if is_weak(x) else as_operand(x) for x in inputs]
    if name.startswith("logical_"):
        operands = [cast(x, np.bool_) for x in operands]
    types = tuple(_type_of(x) for x in operands)
    try:
        loop = resolve_dtypes(ufunc, types, None if dtype is None else np.dtype(dtype))
    except TypeError as error:
        raise TypeError(at_user_line(str(error))) from None
    if name in _COMPARISONS:
        # A Python integer is compared by its value, also where the array's dtype cannot hold it.
        loop = tuple(_wide_enough(x, t) for x, t in zip(operands, loop, strict=False))
        loop = (np.result_type(*loop),) * len(loop)
    if name == "positive":
        return cast(operands[0], loop[0])
    return apply(PRIMITIVES[name], *(cast(x, t) for x, t in zip(operands, loop, strict=False)))


_COMPARISONS = frozenset("equal not_equal less less_equal greater greater_equal".split())


def is_weak(x: Any) -> bool:
    """Whether x is a Python number, which takes the dtype of the arrays beside it (NEP 50)."""
    return isinstance(x, _SCALARS) and not isinstance(x, np.generic)


def common_dtype(*xs: Any) -> np.dtype[Any]:
    """The dtype of operands that are brought together; a Python number takes that of the others."""
    strong = [as_operand(x).dtype for x in xs if not is_weak(x)]
    if any(dtype.kind == "V" for dtype in strong):
        return np.result_type(*strong)
    return np.result_type(*strong, *(x for x in xs if is_weak(x)))


def _type_of(x: Any) -> Any:
    if isinstance(x, bool):
        return np.dtype(np.bool_)
    return next(t for t in (int, float, complex) if isinstance(x, t)) if is_weak(x) else x.dtype


def _wide_enough(x: Any, dtype: np.dtype[Any]) -> np.dtype[Any]:
    if isinstance(x, int) and dtype.kind in "iu":
        limits = np.iinfo(dtype)
        return dtype if limits.min <= x <= limits.max else np.result_type(dtype, np.min_scalar_type(x))
    return dtype


def _in_place(result: Any, target: Any, ufunc: np.ufunc) -> Any:
    """The result of `target += …`: target's dtype and shape, as NumPy's."""
    if not np.can_cast(result.dtype, target.dtype, "same_kind"):
        raise TypeError(
            at_user_line(f"cannot cast `np.{ufunc.__name__}` from {result.dtype} to {target.dtype} in place")
        )
    if result.shape != target.shape:
        raise ValueError(
            at_user_line(f"shape {result.shape} does not fit into an array of shape {target.shape} in place")
        )
    return cast(result, target.dtype)


def call_ufunc(ufunc: np.ufunc, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What `Tracer.__array_ufunc__` does."""
    if not all(is_operand(x) for x in inputs):
        return NotImplemented
    out = kwargs.pop("out", None)
    if out is not None:
        # `x += y` on a tracer is `x = x + y`, also on a running total that begins as a scalar (`total = np.zeros(())`,
        # which Keras's regularizers do). Everything else would have to write into an array.
        scalar = isinstance(out[0], np.ndarray) and out[0].ndim == 0
        rebinds = len(out) == 1 and out[0] is inputs[0] and (scalar or isinstance(out[0], Tracer))
        if method != "__call__" or not rebinds:
            raise TracingError(
                at_user_line(
                    f"`np.{ufunc.__name__}` was asked to write a traced result into another array (`out=` or an "
                    "in-place operator such as `+=`). Use the result that it returns instead."
                )
            )
        return _in_place(call_ufunc(ufunc, method, inputs, kwargs), out[0], ufunc)
    from kerasflow.tracing.functions import UFUNCS

    if method == "__call__":
        if ufunc in UFUNCS:
            return UFUNCS[ufunc](*inputs, **kwargs)
        where = kwargs.pop("where", True)
        dtype = kwargs.pop("dtype", None)
        if where is True and not kwargs:
            return elementwise(ufunc, *inputs, dtype=dtype)
    elif method == "reduce" and ufunc in REDUCE:
        kwargs.setdefault("axis", 0)
        return REDUCE[ufunc](*inputs, **kwargs)
    elif method == "accumulate" and ufunc in ACCUMULATE:
        kwargs.setdefault("axis", 0)
        return ACCUMULATE[ufunc](*inputs, **kwargs)
    elif method == "outer":
        x, y = map(as_operand, inputs)
        return ufunc(np.reshape(x, x.shape + (1,) * y.ndim), y, **kwargs)
    called = _written(ufunc) + ("" if method == "__call__" else f".{method}")
    options = "".join(f", {key}=…" for key in kwargs)
    raise unknown_function(f"{called}(…{options})")


def _written(ufunc: np.ufunc) -> str:
    """A ufunc as users write it; SciPy's special functions are ufuncs too."""
    name = ufunc.__name__
    if getattr(np, name, None) is ufunc:
        return f"np.{name}"
    return f"scipy.special.{name}" if getattr(sys.modules.get("scipy.special"), name, None) is ufunc else name


def call_function(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What `Tracer.__array_function__` does."""
    from kerasflow.tracing.functions import FUNCTIONS

    handler = FUNCTIONS.get(func)
    name = f"{func.__module__}.{func.__name__}".replace("numpy", "np", 1)
    if handler is None:
        raise unknown_function(name)
    place = _place_of_out(handler)
    if kwargs.get("out") is not None or (place < len(args) and args[place] is not None):
        raise TracingError(
            at_user_line(
                f"`{name}` was asked to write a traced result into an array (`out=`). Use what it returns."
            )
        )
    return handler(*args, **kwargs)


@functools.cache
def _place_of_out(handler: Callable[..., Any]) -> int:
    """The position of the `out` argument among a handler's positional ones."""
    parameters = inspect.signature(handler).parameters.values()
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    names = [p.name for p in parameters if p.kind in positional]
    return names.index("out") if "out" in names else sys.maxsize


def newer(_module: Any = np, /, **handlers: Callable[..., Any]) -> dict[Any, Callable[..., Any]]:
    """Handlers of functions that older NumPy versions lack, by name: the ones that the installed NumPy has."""
    return {getattr(_module, name): handler for name, handler in handlers.items() if hasattr(_module, name)}


def unknown_function(name: str) -> TracingError:
    """The error for a function that has no meaning on tracers."""
    return TracingError(
        at_user_line(
            f"`{name}` cannot be traced: kerasflow has no rule for it. Write it with other NumPy functions or "
            "`keras.ops`, or compute it outside the traced call (in a data pipeline, a callback, or with "
            "`run_eagerly=True` on `np.asarray(x)`)."
        )
    )


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
        raise np.exceptions.AxisError(axis, ndim)
    return axis % ndim if ndim else 0
