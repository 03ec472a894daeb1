"""Operations that this version of kerasflow does not have, or not as parts of a program: each says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from kerasflow.bridge.ops.tensors import require_eager
from kerasflow.errors import GradientError
from kerasflow.tracing import Tracer, apply


def unavailable(name: str) -> Callable[..., Any]:
    """A function under the given name that raises `NotImplementedError`."""

    def function(*args: Any, **kwargs: Any) -> NoReturn:
        raise NotImplementedError(
            f"`{name}` is not available: this version of kerasflow does not have the operation yet. "
            "Run the model on another Keras backend (`KERAS_BACKEND=tensorflow`, without kerasflow), or leave out "
            "the layer that needs it."
        )

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"`{name}`, which this version does not have yet."
    return function


def computed_at_once(name: str, function: Callable[..., Any], *xs: Any) -> Any:
    """Apply a function for which there is no primitive: on values only, and without a derivative.

    Args:
        name: the operation, for error messages.
        function: from NumPy arrays to an array or a tuple of arrays.
        xs: arrays, or traced arrays that have values.

    Raises:
        TracingError: if an array has no value yet. GradientError: when a gradient is asked for.
    """
    traced = [x for x in xs if isinstance(x, Tracer)]
    if not traced:
        return function(*xs)
    require_eager(f"keras.ops.{name}", *traced)
    results = function(*map(np.asarray, xs))
    several = isinstance(results, tuple)
    arrays = results if several else (results,)

    def vjp(*_: Any) -> NoReturn:
        raise GradientError(f"`keras.ops.{name}` has no derivative in this version of kerasflow")

    outputs = apply("custom_vjp", *traced, *arrays, outputs=len(arrays), vjp=vjp)
    return tuple(outputs) if several else outputs[0]
