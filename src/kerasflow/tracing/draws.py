"""`np.random.choice` with values that are traced.

How far from one the sum of `p` may be, NumPy decides by the dtype of an array: of
anything else it asks double precision, which probabilities that were computed in
single precision do not have. It is not one of the functions that NumPy
dispatches, so it is replaced, by itself with arrays in the place of tracers.

A `Generator` (`np.random.default_rng()`) has methods that cannot be replaced: it is a compiled type. It asks a tracer
that has values for them, and of probabilities in single precision their sum in double; `p.numpy()` is an array.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from kerasflow.tracing.tracer import Tracer

_choice: Callable[..., Any] = np.random.choice


def choice(*args: Any, **kwargs: Any) -> Any:
    """NumPy's function, which also takes tracers that have values.

    Raises:
        TracingError: for a tracer without values, with the user's line and the function to use instead.
    """
    return _choice(*map(_array, args), **{name: _array(x) for name, x in kwargs.items()})


def _array(x: Any) -> Any:
    if not isinstance(x, Tracer):
        return x
    return x.array_for(
        "`np.random.choice` was called",
        "Draw in the program: `keras.random.categorical(keras.ops.log(p)[None], 1)`.",
    )


def install() -> None:
    """Put it in the place of NumPy's, once."""
    choice.__doc__ = _choice.__doc__
    np.random.choice = choice
