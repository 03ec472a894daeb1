"""What a user's code asks of TensorFlow itself while it is traced: recorded beside the trace, in a graph of its own."""

from __future__ import annotations

import linecache
import os
import sysconfig
from typing import Any

import numpy as np
import tensorflow as tf

from kerasflow import errors
from kerasflow.errors import TracingError
from kerasflow.graph import ShapedArray
from kerasflow_tensorflow.dtypes import Tensor, host_array
from kerasflow_tensorflow.recorded import (
    GIVEN,
    OPAQUE,
    Recorded,
    calls,
    is_array,
    is_stateful,
    needed,
    placeholder,
)

# What is known without running anything, and cheaper to make anew than to keep.
_KNOWN = "Const"
# What is done for its effect alone, also in a branch or in a function.
_WITHOUT_RESULT = {"Assert", "Print", "PrintV2"}
_NO_VARIABLES = (
    "Variables and tables of TensorFlow's are no part of a model's programs. Make variables with `self.add_weight(…)` "
    "or `keras.Variable(…)`."
)
# Where no user's code is: what is installed, and this project's packages.
_INSTALLED = (
    *map(sysconfig.get_path, ("stdlib", "purelib", "platlib")),
    *(os.path.dirname(os.path.abspath(file)) for file in (errors.__file__, __file__)),
)


class Recording:
    """A graph that TensorFlow records beside a trace; see `kerasflow.tracing.foreign`."""

    framework = "tensorflow"

    def __init__(self) -> None:
        self.graph = tf.__internal__.FuncGraph("beside_a_trace")
        self._begin = 0  # how many operations were there at the last cut
        self._given: dict[str, Tensor] = {}  # what has a value in the trace
        self._once: set[str] = set()  # the operations before the last cut that are not done again

    @property
    def is_on(self) -> bool:
        return not tf.executing_eagerly()

    @property
    def is_current(self) -> bool:
        return tf.compat.v1.get_default_graph() is self.graph

    def active(self) -> Any:
        return self.graph.as_default()

    def inactive(self) -> Any:
        return tf.init_scope()

    def symbol(self, aval: ShapedArray) -> Tensor:
        with self.graph.as_default(), tf.control_dependencies(None):
            found = placeholder(aval)
        self._given[found.name] = found
        return found

    def key(self, x: Any) -> Any:
        if isinstance(x, tf.Variable):
            return id(x)
        return x.name if isinstance(x, tf.Tensor) and getattr(x, "graph", None) is self.graph else None

    def constant(self, symbol: Any) -> np.ndarray[Any, Any] | None:
        """The value of what may be a size: of integers that depend on nothing that is given."""
        if isinstance(symbol, tf.Variable) or not (symbol.dtype.is_integer and is_array(symbol)):
            return None
        ops, inputs = needed([symbol], {})
        if inputs or any(map(is_stateful, ops)):
            return None
        return Recorded([symbol], {})()[0]

    def cut(self) -> tuple[Recorded, list[Any], list[Tensor]] | None:
        """What was recorded since the last cut.

        Raises:
            TracingError: it uses a variable of TensorFlow's, or does something besides giving results.
        """
        ops = self.graph.get_operations()[self._begin :]
        self._begin += len(ops)
        for op in ops:
            _require_results(op)
        results = [x for op in ops if op.type not in (GIVEN, _KNOWN) for x in op.outputs if is_array(x)]
        if not results:
            return None
        outside = {inner.name: outer for outer, inner in self.graph.captures}
        function = Recorded(results, self._given, self._once)
        self._given.update((x.name, x) for x in results)
        self._once.update(op.name for op in ops if is_stateful(op))
        return function, [_from_outside(outside.get(x.name, x)) for x in function.inputs], results

    def reason(self, symbol: Any) -> str:
        if isinstance(symbol, tf.Variable):
            return _NO_VARIABLES
        if symbol.dtype in OPAQUE:
            return f"TensorFlow gives a {symbol.dtype.name}, which is no array of numbers, in a program."
        return (
            f"TensorFlow gives an array of a size that depends on values ({symbol.dtype.name}, {symbol.shape}); in a "
            "program sizes are known. Where you know it, say so (`tf.ensure_shape`); else use `tf.where` with a mask, "
            "or pad to a size."
        )


def _require_results(op: tf.Operation) -> None:
    """Refuse what a program would not do: it computes results.

    Raises:
        TracingError: naming the operation.
    """
    if any(x.dtype == tf.resource for x in (*op.inputs, *op.outputs)):
        raise TracingError(_NO_VARIABLES + _place(op))
    if (is_stateful(op) and not op.outputs) or _WITHOUT_RESULT & _called(op):
        raise TracingError(
            f"`{op.type}` of TensorFlow checks or prints something and gives no result, so that a program would not "
            f"run it. Leave it out, or do it with values, outside of the program.{_place(op)}"
        )


def _called(op: tf.Operation) -> set[str]:
    """The types of the operations in the functions that one calls."""
    pending = calls(op.node_def)
    if not pending:
        return set()
    functions = {f.signature.name: f.node_def for f in op.graph.as_graph_def().library.function}
    seen: set[str] = set()
    while pending:
        seen |= pending
        pending = {name for f in pending for node in functions.get(f, ()) for name in calls(node)} - seen
    return {node.op for name in seen for node in functions.get(name, ())}


def _place(op: tf.Operation) -> str:
    """The line of the user's that an operation comes from, as errors show it."""
    frames = [f for f in op.traceback if not f.filename.startswith(_INSTALLED)]
    if not frames:
        return ""
    name, line = frames[-1].filename, frames[-1].lineno
    return f"\n  at {name}:{line}: {linecache.getline(name, line).strip()}"


def _from_outside(x: Tensor) -> Any:
    return host_array(x) if hasattr(x, "numpy") else x
