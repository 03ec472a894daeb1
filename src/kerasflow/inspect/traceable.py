"""What can be shown of what runs: a model's step, or a function of arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from kerasflow.bridge.step import step_name, traced
from kerasflow.compiler import CompiledFunction, Entry


def entry_of(what: Any, arrays: Sequence[Any], named: Mapping[str, Any], of: str | None) -> Entry:
    """The program of a model's step for a batch, or of a function (a layer, too) for its arguments.

    Args:
        arrays, named: for a model one batch and its labels, `x` and `y`; for a function its arguments.
        of: of a model, which step, as `step_name` takes it.

    Raises:
        TypeError: `what` is neither, or the arguments are not those that it takes.
        ValueError: there is no such step.
        KerasflowError: there is no batch for the model's step.
        TracingError: the function needs a value while it is traced.
    """
    if isinstance(what, keras.Model):
        if len(arrays) + len(named) > 2 or not named.keys() <= {"x", "y"}:
            received = ", ".join([f"{len(arrays)} arrays", *(f"{name}=" for name in named)])
            raise TypeError(f"A model's step takes one batch and its labels, x and y; received {received}")
        x, y = (*arrays, None, None)[:2]
        x, y = named.get("x", x), named.get("y", y)
        return traced(what, x, y, step_name(of, y))[0]
    if not callable(what):
        raise TypeError(
            f"Expected a Keras model, a layer or a function of arrays; received {what!r} ({type(what).__name__})"
        )
    if of is not None:
        raise ValueError(f"Only models have steps; received of={of!r} for {what!r}")
    function = what if isinstance(what, CompiledFunction) else CompiledFunction(what)
    return function.entry(arrays, dict(named))[0]
