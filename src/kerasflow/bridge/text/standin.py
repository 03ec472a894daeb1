"""What Keras's modules of these layers have for `tf`: the few things that they ask of it beside computing.

Whatever else is asked for is TensorFlow's.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from types import SimpleNamespace
from typing import Any

import numpy as np
from keras.src.utils.backend_utils import TFGraphScope, in_tf_graph

from kerasflow.graph import is_text

_SEVERAL = 100

_genuine = ContextVar("genuine", default=False)


@contextmanager
def genuine() -> Iterator[None]:
    """In the block `tf` is TensorFlow."""
    token = _genuine.set(True)
    try:
        yield
    finally:
        _genuine.reset(token)


def imported() -> Any:
    """TensorFlow, if somebody has imported it."""
    found = sys.modules.get("tensorflow")
    return found if hasattr(found, "RaggedTensor") else None


def is_tensorflows(x: Any) -> bool:
    """Whether x is a tensor of TensorFlow's of any kind."""
    tf = imported()
    return tf is not None and isinstance(x, (tf.Tensor, tf.RaggedTensor, tf.SparseTensor))


def for_tensorflow(inputs: Any) -> bool:
    """Whether what a layer is given is TensorFlow's, or is part of a graph that it records."""
    if imported() is None:
        return False
    if isinstance(inputs, dict):
        inputs = list(inputs.values())
    several = inputs if isinstance(inputs, (list, tuple)) else [inputs]
    # Of a long list, of strings say, the first ones tell what it is.
    return in_tf_graph() or any(map(is_tensorflows, several[:_SEVERAL]))


def graph_scope() -> Any:
    """Keras's `TFGraphScope`, in which its layers give tensors of TensorFlow's; nothing where they need not."""
    return TFGraphScope() if _genuine.get() else nullcontext()


class Array(np.ndarray[Any, Any]):
    """An array that Keras's code asks for its contents."""

    def numpy(self) -> np.ndarray[Any, Any]:
        return np.asarray(self)


def array(x: Any, dtype: Any = None) -> Array:
    """The same with that method."""
    return np.asarray(x, dtype).view(Array)


class Variable(Array):
    """What Keras keeps in a `tf.Variable`."""

    def __new__(cls, initial_value: Any, trainable: bool = False, dtype: Any = None) -> Variable:
        return np.array(initial_value, dtype).view(cls)

    def assign(self, value: Any) -> None:
        self[...] = value

    def value(self) -> Array:
        return array(self.copy())


class Dtype:
    """A dtype, as far as Keras asks."""

    def __init__(self, dtype: Any) -> None:
        if isinstance(dtype, Dtype):
            dtype = dtype.name
        self.name: str
        self.is_integer: bool
        if (isinstance(dtype, str) and dtype == "string") or is_text(np.dtype(dtype)):
            self.name, self.is_integer = "string", False
        else:
            self.name, self.is_integer = np.dtype(dtype).name, np.dtype(dtype).kind in "iu"

    @property
    def max(self) -> int:
        return int(np.iinfo(self.name).max)

    def __eq__(self, other: object) -> bool:
        return self.name == getattr(other, "name", other)

    def __hash__(self) -> int:
        return hash(self.name)


class Counts:
    """How often each token has been seen, in the place of a table of TensorFlow's that counts.

    Attributes:
        of: by token; a string is one of bytes.
    """

    def __init__(self, **_: Any) -> None:
        self.of: dict[Any, int] = {}


class _NoDataset:
    """What no object is an instance of."""


class Standin:
    """TensorFlow, or what is there in its place."""

    available = True
    string = Dtype("string")

    def __init__(self) -> None:
        self._names = {
            "Variable": Variable,
            "as_dtype": Dtype,
            "compat": SimpleNamespace(as_text=_as_text),
            "convert_to_tensor": lambda value, dtype=None: (
                value if dtype == "string" else array(value, dtype)
            ),
            "expand_dims": np.expand_dims,
            "executing_eagerly": lambda: not in_tf_graph(),
            "init_scope": _nothing,
            "io": SimpleNamespace(gfile=SimpleNamespace(exists=os.path.exists, join=os.path.join)),
            "is_tensor": is_tensorflows,
            "lookup": SimpleNamespace(experimental=SimpleNamespace(MutableHashTable=Counts)),
            "reshape": np.reshape,
            "squeeze": np.squeeze,
        }
        # Types, which are TensorFlow's where it is.
        self._types = {
            "data": SimpleNamespace(Dataset=_NoDataset),
            "RaggedTensor": _NoDataset,
            "SparseTensor": _NoDataset,
            "Tensor": _NoDataset,
        }

    def __getattr__(self, name: str) -> Any:
        if not _genuine.get() and name in self._names:
            return self._names[name]
        if name in self._types and imported() is None:
            return self._types[name]
        return getattr(importlib.import_module("tensorflow"), name)


@contextmanager
def _nothing() -> Iterator[None]:
    yield


def _as_text(x: Any, encoding: str) -> str:
    return x.decode(encoding) if isinstance(x, bytes) else str(x)
