"""What Keras's operations give: outside of programs tensors, which share no memory with a user's own arrays."""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

from kerasflow.bridge.ops import numpy as overrides
from kerasflow.tracing.tensor import Tensor, tensors

# What gives arrays of NumPy's on purpose, or none.
_PLAIN = frozenset({"convert_to_numpy", "compute_output_spec", "device_scope", "is_tensor", "shape"})


def give_tensors(module: ModuleType) -> None:
    """Let the functions of one of the backend's modules give tensors: of those in `__all__`, or that it defines."""
    own = getattr(module, "__all__", None)
    for name, x in list(vars(module).items()):
        if not isinstance(x, FunctionType) or name in _PLAIN:
            continue
        if name in own if own is not None else x.__module__ in (module.__name__, overrides.__name__):
            setattr(module, name, _giving_tensors(x))


def _giving_tensors(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        if isinstance(result, np.ndarray):
            return result if isinstance(result, Tensor) else tensors(_own(result, args))
        return tensors(result) if isinstance(result, (tuple, list)) else result

    return wrapper


def _own(result: Any, args: tuple[Any, ...]) -> Any:
    """The result, copied where it is an argument or a part of one, which the user may change later."""
    if result.base is None and not any(x is result for x in args):
        return result
    shared = any(isinstance(x, np.ndarray) and np.may_share_memory(x, result) for x in args)
    return result.copy() if shared else result
