"""What NumPy's functions, ufuncs, operators and subscripts mean on tracers: what `Tracer.dispatcher` is.

NumPy calls a tracer's `__array_ufunc__` (NEP 13: operators are ufuncs too) and
`__array_function__` (NEP 18), and these come here. A ufunc is a primitive of
the same name, or stands in `functions.UFUNCS`; a function stands in
`functions.FUNCTIONS`. What is in neither cannot be traced, and says so.
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
from kerasflow.tracing.frameworks import is_foreign
from kerasflow.tracing.functions import FUNCTIONS, UFUNCS
from kerasflow.tracing.functions.missing import unknown_function
from kerasflow.tracing.host import on_host
from kerasflow.tracing.indexing import getitem
from kerasflow.tracing.normalize import SCALARS, as_operand, cast, is_weak
from kerasflow.tracing.source import at_user_line
from kerasflow.tracing.tensor import holds_tracer, in_place, tensors
from kerasflow.tracing.trace import accompanied_by, apply, current_trace
from kerasflow.tracing.tracer import Tracer, concrete_array

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

_COMPARISONS = frozenset("equal not_equal less less_equal greater greater_equal".split())


# -- ufuncs -------------------------------------------------------------------------------------------------


def call_ufunc(ufunc: np.ufunc, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What `Tracer.__array_ufunc__` does."""
    if not all(_is_operand(x) for x in inputs):
        return NotImplemented
    out = kwargs.pop("out", None)
    if out is not None:
        # `x += y` on a tracer is `x = x + y`, also on a running total that begins as a scalar (`total = np.zeros(())`,
        # which Keras's regularizers do). Everything else would have to write into an array.
        scalar = isinstance(out[0], np.ndarray) and out[0].ndim == 0
        rebinds = len(out) == 1 and out[0] is inputs[0] and (scalar or isinstance(out[0], Tracer))
        if not rebinds and current_trace() is None:
            return getattr(ufunc, method)(*_left_behind(inputs), **_left_behind({**kwargs, "out": out}))
        if method != "__call__" or not rebinds:
            raise TracingError(
                at_user_line(
                    f"`np.{ufunc.__name__}` was asked to write a traced result into another array (`out=` or an "
                    "in-place operator such as `+=`). Use the result that it returns instead."
                )
            )
        result = call_ufunc(ufunc, method, inputs, kwargs)
        return in_place(result, out[0]) if isinstance(out[0], Tracer) else _in_place(result, out[0], ufunc)
    if method == "__call__":
        if ufunc in UFUNCS:
            return UFUNCS[ufunc](*inputs, **kwargs)
        where = kwargs.pop("where", True)
        dtype = kwargs.pop("dtype", None)
        if where is True and not kwargs:
            return _elementwise(ufunc, *inputs, dtype=dtype)
    elif method == "reduce" and ufunc in REDUCE:
        kwargs.setdefault("axis", 0)
        return REDUCE[ufunc](*inputs, **kwargs)
    elif method == "accumulate" and ufunc in ACCUMULATE:
        kwargs.setdefault("axis", 0)
        return ACCUMULATE[ufunc](*inputs, **kwargs)
    elif method == "outer":
        x, y = map(as_operand, inputs)
        return ufunc(np.reshape(x, x.shape + (1,) * y.ndim), y, **kwargs)
    if current_trace() is None:
        return getattr(ufunc, method)(*_left_behind(inputs), **kwargs)
    called = _written(ufunc) + ("" if method == "__call__" else f".{method}")
    options = "".join(f", {key}=…" for key in kwargs)
    raise unknown_function(f"{called}(…{options})")


def _is_operand(x: Any) -> bool:
    """Whether x can stand beside a tracer in an operation."""
    return isinstance(x, (Tracer, np.ndarray, np.generic, list, tuple, *SCALARS)) or is_foreign(x)


def _elementwise(ufunc: np.ufunc, *inputs: Any, dtype: Any = None) -> Any:
    """A ufunc call in canonical form.

    Args:
        dtype: compute in this dtype (NumPy's `dtype=` argument).
    """
    name = ALIASES.get(ufunc.__name__, ufunc.__name__)
    if name not in PRIMITIVES and name != "positive":
        if current_trace() is None:
            return ufunc(*_left_behind(inputs), dtype=dtype)
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
    """The result of `target += …` where target is an array of NumPy's: its dtype and shape."""
    if not np.can_cast(result.dtype, target.dtype, "same_kind"):
        raise TypeError(
            at_user_line(f"cannot cast `np.{ufunc.__name__}` from {result.dtype} to {target.dtype} in place")
        )
    if result.shape != target.shape:
        raise ValueError(
            at_user_line(f"shape {result.shape} does not fit into an array of shape {target.shape} in place")
        )
    return cast(result, target.dtype)


def _written(ufunc: np.ufunc) -> str:
    """A ufunc as users write it; SciPy's special functions are ufuncs too."""
    name = ufunc.__name__
    if getattr(np, name, None) is ufunc:
        return f"np.{name}"
    return f"scipy.special.{name}" if getattr(sys.modules.get("scipy.special"), name, None) is ufunc else name


# -- behind a tape ------------------------------------------------------------------------------------------


def _left_behind(x: Any) -> Any:
    """An argument where nothing is recorded: a tape is through, and the traced arrays that it has left are tensors.

    Raises:
        TracingError: if one of them never had a value.
    """
    if isinstance(x, Tracer):
        return tensors(concrete_array(x))
    if type(x) in (list, tuple):
        return type(x)(map(_left_behind, x))
    return {key: _left_behind(y) for key, y in x.items()} if type(x) is dict else x


# -- functions ----------------------------------------------------------------------------------------------


def call_function(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What `Tracer.__array_function__` does."""
    if current_trace() is None and holds_tracer([*args, *kwargs.values()]):
        return func(*_left_behind(args), **_left_behind(kwargs))
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


__all__ = ["accompanied_by", "apply", "call_function", "call_ufunc", "cast", "getitem", "on_host"]
