"""What another framework records beside a trace, where the backend can run that framework's functions.

The framework records in its own way, in symbols of its own: a traced array that one of its functions asks for is given
as a symbol (`give`), and a symbol that comes back is a traced array again (`take`). Whatever was recorded in between
becomes one node, all of whose results have values in the trace. So nothing is computed twice, and a random number is
drawn once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import numpy as np

from kerasflow.errors import TracingError
from kerasflow.graph import ShapedArray, Value, is_text
from kerasflow.primitives.foreign import ForeignFunction, foreign_function
from kerasflow.tracing.source import FRAMEWORKS, at_user_line
from kerasflow.tracing.tracer import Tracer


class Recording(Protocol):
    """A framework's recording of its own functions; what a backend's `record` makes.

    Attributes:
        framework: the name of the framework's module.
        is_on: whether the framework records on this thread, and does not compute at once.
        is_current: whether it is this recording that it puts its functions into, and not one inside it.
    """

    framework: str

    @property
    def is_on(self) -> bool: ...

    @property
    def is_current(self) -> bool: ...

    def active(self) -> AbstractContextManager[Any]:
        """Record in the block."""

    def inactive(self) -> AbstractContextManager[Any]:
        """Record nothing in the block: the framework computes at once."""

    def symbol(self, aval: ShapedArray) -> Any:
        """A new symbol that stands for an array."""

    def key(self, x: Any) -> Any:
        """What a symbol of this recording is known by; None for anything else."""

    def constant(self, symbol: Any) -> np.ndarray[Any, Any] | None:
        """What a symbol stands for, if that is known already."""

    def cut(self) -> tuple[ForeignFunction, Sequence[Any], Sequence[Any]] | None:
        """What was recorded since the last cut: a function, what it takes and what it gives; None if it gives nothing.

        What it takes are symbols of this recording, of one around it, or arrays.
        """

    def reason(self, symbol: Any) -> str:
        """Why a symbol is no array of known size."""


class Foreign:
    """The recording that goes along with a trace.

    Args:
        bind, value_of: the trace's.
        adopted: gives the traced arrays for symbols of other recordings.
        may_draw: whether what is recorded runs once each time that the program runs.
    """

    def __init__(
        self,
        recording: Recording,
        bind: Callable[..., Any],
        value_of: Callable[[Any], Value],
        adopted: Callable[[Any], Any],
        may_draw: bool,
    ) -> None:
        self.recording = recording
        self._bind, self._value_of, self._adopted, self._may_draw = bind, value_of, adopted, may_draw
        self._symbols: dict[Value, Any] = {}
        self._tracers: dict[Any, Any] = {}

    def owns(self, x: Any) -> bool:
        """Whether x is a symbol of this recording."""
        return self.recording.key(x) is not None

    def wants(self, x: Tracer) -> bool:
        """Whether a traced array is recorded here, where the framework asks for it."""
        return self.recording.is_on and not is_text(x.dtype)

    def give(self, x: Tracer) -> Any:
        """The symbol for a traced array."""
        value = self._value_of(x)
        if value not in self._symbols:
            self._symbols[value] = symbol = self.recording.symbol(value.aval)
            self._tracers[self.recording.key(symbol)] = x
        return self._symbols[value]

    def take(self, symbol: Any) -> Any:
        """The traced array, or the constant, for a symbol.

        Raises:
            TracingError: if it is no array, or one of a size that is not known; if it cannot be a part of the program.
        """
        constant = self.recording.constant(symbol)
        if constant is not None:
            return constant
        self.flush()
        found = self._tracers.get(self.recording.key(symbol))
        if found is None:
            raise TracingError(at_user_line(self.recording.reason(symbol)))
        return found

    def flush(self) -> None:
        """Make what was recorded last a node of the trace."""
        found = self.recording.cut()
        if found is None:
            return
        function, operands, results = found
        if function.draws and not self._may_draw:
            raise TracingError(
                at_user_line(
                    f"{FRAMEWORKS[function.framework]} draws random numbers in a loop or a branch (or calls Python "
                    "there): a derivative would draw others. Use `keras.random`, or draw them before."
                )
            )
        traced = self._bind(foreign_function, tuple(map(self._traced, operands)), {"function": function})
        self._tracers.update(zip(map(self.recording.key, results), traced, strict=True))
        self._symbols.update((x.value, symbol) for x, symbol in zip(traced, results, strict=True))

    def _traced(self, x: Any) -> Any:
        if isinstance(x, np.ndarray):
            return x
        known = self._tracers.get(self.recording.key(x))
        return self._adopted(x) if known is None else known
