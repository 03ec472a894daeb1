"""What is missing: functions that the installed NumPy lacks, and functions that have no meaning on tracers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from kerasflow.errors import TracingError
from kerasflow.tracing.source import at_user_line


def present(_module: Any = np, /, **handlers: Callable[..., Any]) -> dict[Any, Callable[..., Any]]:
    """Handlers of functions that not every NumPy has, by name: the ones that the installed NumPy has."""
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
