"""Keras's operations in a graph of TensorFlow's: in `Dataset.map`, in a `tf.function`.

There a tensor has no value, and often no size: NumPy has nothing to compute with. Keras's own preprocessing layers go
to Keras's TensorFlow backend for it, and so does here every operation that is given such a tensor. Variables are read
whenever the graph runs; they are not assigned, which TensorFlow would record once and never do again.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from keras.src import tree
from keras.src.backend.common import KerasVariable

from kerasflow.errors import KerasflowError
from kerasflow.tracing import accompanied_by, at_user_line, records_beside

_OURS, _THEIRS = "keras.src.backend.numpy", "keras.src.backend.tensorflow"


def in_graph() -> bool:
    """Whether TensorFlow records a graph on this thread; it does not if nobody has imported it.

    What it records beside a trace, of which the symbols are traced arrays, is no such graph.
    """
    executing_eagerly = getattr(sys.modules.get("tensorflow"), "executing_eagerly", None)
    if executing_eagerly is None or executing_eagerly():
        return False
    return not records_beside("tensorflow")


def is_symbolic(x: Any) -> bool:
    """Whether x is a tensor of a graph that TensorFlow records on this thread."""
    return in_graph() and sys.modules["tensorflow"].is_tensor(x)


def any_symbolic(*xs: Any) -> bool:
    """Whether one of the leaves of nested structures is one."""
    return in_graph() and any(map(sys.modules["tensorflow"].is_tensor, tree.flatten(xs)))


@contextmanager
def outside_graphs() -> Iterator[None]:
    """Let TensorFlow record nothing in the block."""
    if in_graph():
        with sys.modules["tensorflow"].init_scope():
            yield
    else:
        yield


def require_no_graph(variable: Any) -> None:
    """Refuse an assignment, which happens once where it should happen whenever the graph runs.

    Raises:
        KerasflowError: with the user's line.
    """
    if in_graph():
        raise KerasflowError(
            at_user_line(
                f"A variable ({variable.path}) was assigned while TensorFlow records a graph (in `Dataset.map` or a "
                "`tf.function`), which would not do it again when the graph runs. Use the layer outside of it, on the "
                "batches that the dataset gives. (Of the layers that draw random numbers, Keras's for preprocessing "
                "work in `Dataset.map`.)"
            )
        )


def call_in_graph(module: str, name: str, args: Any, kwargs: Any) -> Any:
    """What the operation of Keras's TensorFlow backend gives.

    Args:
        module: of Keras's, whose operation `name` is called for.

    Raises:
        KerasflowError: if that backend has none.
    """
    found: Any = getattr(importlib.import_module(module.replace(_OURS, _THEIRS)), name, None)
    if found is None:
        raise KerasflowError(
            at_user_line(
                f"`{name}` is not available in a graph of TensorFlow's (`Dataset.map`, `tf.function`)."
            )
        )
    args, kwargs = tree.map_structure(read_in_graph, (args, kwargs))
    return found(*args, **kwargs)


def read_in_graph(x: Any) -> Any:
    """A variable's value: in a graph of TensorFlow's what it holds when that runs. Anything else as it is."""
    if not isinstance(x, KerasVariable):
        return x
    if not in_graph() or accompanied_by("tensorflow") is not None:
        return x.value
    dtype = str(x.dtype)
    value = sys.modules["tensorflow"].numpy_function(lambda: x.numpy().astype(dtype), [], dtype)
    value.set_shape(x.shape)
    return x._maybe_autocast(value)
