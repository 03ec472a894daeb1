"""Keras's variable, with its contents in a cell."""

from __future__ import annotations

import functools
import gc
import sys
import weakref
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import numpy as np
import optree
from keras.src.backend.common import KerasVariable

from kerasflow.bridge.distribution import require_one_device_for_variables
from kerasflow.bridge.ops.tensors import convert_to_tensor
from kerasflow.bridge.symbolic import is_symbolic, read_in_graph, require_no_graph
from kerasflow.errors import TracingError
from kerasflow.graph import ShapedArray
from kerasflow.tracing import Cell, Tracer, current_trace, suspended
from kerasflow.tracing.frameworks import ASKED_BY_TAPE, foreign_error, foreign_tape_error
from kerasflow.tracing.tensor import tensors

_made: ContextVar[list[tuple[str, weakref.ref[Variable]]] | None] = ContextVar("kerasflow_made", default=None)


def keeping_weights(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function to be recorded, but an error if weights that it makes are gone when it returns."""

    @functools.wraps(function)
    def recorded(*args: Any, **kwargs: Any) -> Any:
        made: list[tuple[str, weakref.ref[Variable]]] = []
        token = _made.set(made)
        try:
            result = function(*args, **kwargs)
        finally:
            _made.reset(token)
        _require_kept(made)
        return result

    return recorded


def _require_kept(made: list[tuple[str, weakref.ref[Variable]]]) -> None:
    """See that all of what a recording has made is still there: else nobody could train it.

    Raises:
        TracingError: a layer is made anew in each call.
    """
    if made:
        gc.collect()  # A layer and its variables hold each other.
    for path, kept in made:
        if kept() is None:
            raise TracingError(
                f"The weight {path!r} was made in a call and is gone after it: a layer that is made in `call` has new "
                "weights each time that it is recorded, and they are never trained. Make layers in `__init__` (or "
                "`build`), as attributes, and call them in `call`."
            )


class Variable(KerasVariable):
    """A variable whose reads and assignments a running trace records.

    NumPy functions and operators take it as they take an array.
    """

    __array_priority__ = 1000

    _cell: Cell | None = None

    # Keras keeps the contents in `_value`.
    @property
    def _value(self) -> Any:
        if self._cell is None:
            return None
        trace = current_trace()
        return tensors(self._cell.read()) if trace is None else trace.read(self._cell, self)

    @_value.setter
    def _value(self, value: Any) -> None:
        if value is None:
            self._cell = None
        elif self._cell is None:
            self._cell = Cell(np.array(value), getattr(self, "_path", ""))
        else:
            self._direct_assign(value)

    def _initialize(self, value: Any) -> None:
        require_one_device_for_variables()
        self._value = value
        made = _made.get()
        if made is not None and self.trainable:
            made.append((self.path, weakref.ref(self)))

    def _initialize_with_initializer(self, initializer: Callable[..., Any]) -> None:
        # Initial values are computed now, once, also where a trace is running. They get the variable's dtype, as with
        # TensorFlow: an initializer may give a number of Python's, or an array of another dtype.
        with suspended():
            value = initializer(self._shape, dtype=self._dtype)
            self._initialize(self._convert_to_tensor(value, dtype=self._dtype))

    def _direct_assign(self, value: Any) -> None:
        assert self._cell is not None
        require_no_graph(self)
        trace = current_trace()
        if trace is not None:
            trace.write(self._cell, value)
        else:
            self._cell.write(np.array(value, dtype=self._dtype))

    def _convert_to_tensor(self, value: Any, dtype: Any = None) -> Any:
        if is_symbolic(value):
            require_no_graph(self)
        return convert_to_tensor(value, dtype=dtype, sparse=False)

    @property
    def value(self) -> Any:
        """The current value: an array, or a traced array while a program is recorded."""
        trace = current_trace()
        if trace is not None and self._cell is None and self._initializer is not None:
            # Not initialized yet: while shapes are inferred, its shape is all that is needed.
            while trace.parent is not None:
                trace = trace.parent
            aval = ShapedArray(tuple(self._shape), np.dtype(self._dtype))
            return self._maybe_autocast(trace.add_input(aval))
        return super().value

    def numpy(self) -> np.ndarray[Any, Any]:
        """A copy of the current value."""
        value = self.value
        return value.numpy() if isinstance(value, Tracer) else np.array(value)

    # -- TensorFlow's and JAX's protocols -------------------------------------------------------------------

    def __getattr__(self, name: str) -> Any:
        """Reached by what it does not have."""
        if name in ASKED_BY_TAPE:
            raise foreign_tape_error()
        if name == "__jax_array__" and current_trace() is not None:
            raise foreign_error("JAX", f"a variable ({self.path}) in a function that is recorded")
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __tf_tensor__(self, dtype: Any = None, name: Any = None) -> Any:
        return sys.modules["tensorflow"].convert_to_tensor(read_in_graph(self), dtype, name=name)

    # -- NumPy's protocols ----------------------------------------------------------------------------------

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        value = self.value
        return np.array(value, dtype=dtype) if copy else np.asarray(value, dtype=dtype)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return getattr(ufunc, method)(*map(unwrap, inputs), **kwargs)

    def __array_function__(self, func: Callable[..., Any], types: Any, args: Any, kwargs: Any) -> Any:
        args, kwargs = optree.tree_map(unwrap, (args, kwargs))
        return func(*args, **kwargs)

    @property
    def T(self) -> Any:
        return self.value.T


def unwrap(x: Any) -> Any:
    """A variable's value; anything else as it is."""
    return x.value if isinstance(x, KerasVariable) else x
