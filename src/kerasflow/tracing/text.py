"""Text in a program that is being recorded: no program holds strings, so what is done with them is done before it."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from kerasflow.graph import is_text
from kerasflow.tracing.tracer import Tracer

# What the shape alone tells, and what Python code wants to know while it is recorded.
_STATIC = (np.shape, np.ndim, np.size)


class TextTracer(Tracer):
    """An array of strings. NumPy's functions of it, operators and subscripts run on the host (`tracing.host`)."""

    __slots__ = ()

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        out = kwargs.get("out")
        if out is not None and len(out) == 1 and out[0] is inputs[0]:
            del kwargs["out"]  # `x += y` is `x = x + y`
        return self.dispatcher.on_host(getattr(ufunc, method), inputs, kwargs, ufunc.__name__)

    def __array_function__(self, func: Callable[..., Any], types: Any, args: Any, kwargs: Any) -> Any:
        if func in _STATIC:
            return super().__array_function__(func, types, args, kwargs)
        return self.dispatcher.on_host(func, args, kwargs)

    def __getitem__(self, key: Any) -> Any:
        return self.dispatcher.on_host(operator.getitem, (self, key), {}, "a part of text")

    def astype(self, dtype: Any, *args: Any, **kwargs: Any) -> Any:
        return self.dispatcher.on_host(_astype, (self, np.dtype(dtype)), {}, "astype")


def _astype(x: np.ndarray[Any, Any], dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    return x.astype(dtype)


def make_tracer(owner: Any, value: Any) -> Tracer:
    """A tracer of a value, of the kind that its dtype asks for."""
    return (TextTracer if is_text(value.aval.dtype) else Tracer)(owner, value)
