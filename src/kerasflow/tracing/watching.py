"""Tensors that a tape watches: what operators, methods and NumPy's functions do with them is recorded.

A tape is told what is done with tracers. A tensor whose gradient is asked for was there before the tape, and the user
goes on with it, as does the code of a layer. So it becomes one that asks whether an open tape watches it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from kerasflow.tracing.tensor import ExtensionTensor, Tensor, tensors
from kerasflow.tracing.trace import watched
from kerasflow.tracing.tracer import Tracer


def make_watchable(x: Any) -> None:
    """Let a tensor ask from now on; of anything else, `keras.ops` and layers find out.

    The object stays the same, for users have it under many names: only its class changes.
    """
    if isinstance(x, Tensor) and not isinstance(x, WatchedTensor):
        x.__class__ = _WATCHED[type(x)]


class WatchedTensor(Tensor):
    """Does everything with its traced counterpart, if an open tape watches it, and else as any tensor."""

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return getattr(ufunc, method)(
            *_counterpart(inputs), **{name: _counterpart(x) for name, x in kwargs.items()}
        )

    def __array_function__(self, func: Callable[..., Any], types: Any, args: Any, kwargs: Any) -> Any:
        return func(*_counterpart(args), **{name: _counterpart(x) for name, x in kwargs.items()})

    def __getitem__(self, key: Any) -> Any:
        return _counterpart(self)[key]

    def __matmul__(self, other: Any) -> Any:
        return _counterpart(self) @ other

    def __rmatmul__(self, other: Any) -> Any:
        return other @ _counterpart(self)


class WatchedExtensionTensor(WatchedTensor, ExtensionTensor):
    """The same for the dtypes that NumPy does not know."""


_WATCHED: dict[type[Tensor], type[WatchedTensor]] = {
    Tensor: WatchedTensor,
    ExtensionTensor: WatchedExtensionTensor,
}


def _counterpart(x: Any) -> Any:
    """An argument, with traced arrays in the place of those that are watched, and other tensors in that of the rest."""
    if isinstance(x, WatchedTensor):
        found = watched(x)
        return tensors(np.asarray(x)) if found is x else found
    return type(x)(map(_counterpart, x)) if type(x) in (list, tuple) else x


def _handed_on(name: str) -> property:
    return property(lambda self: getattr(_counterpart(self), name), doc=getattr(np.ndarray, name).__doc__)


# A tracer's methods and attributes that give arrays. What they say of an array itself is the same for both.
_SAME = frozenset("shape dtype ndim size itemsize nbytes item tolist numpy sort".split())
for _name in vars(Tracer):
    if hasattr(np.ndarray, _name) and not _name.startswith("_") and _name not in _SAME:
        setattr(WatchedTensor, _name, _handed_on(_name))

__all__ = ["make_watchable"]
