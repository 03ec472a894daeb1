"""Sizes that depend on the batch: numbers while a program is for one batch size, tensors while it is for all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import reduce
from typing import Any

import numpy as np
import tensorflow as tf

from kerasflow.graph import Node, Size
from kerasflow_tensorflow.dtypes import Tensor

_batch: ContextVar[Any] = ContextVar("kerasflow_tensorflow_batch", default=None)


@contextmanager
def batch_of(n: Tensor) -> Iterator[None]:
    """Lower graphs for every batch size; `n` is what the size is when they run."""
    token = _batch.set(n)
    try:
        yield
    finally:
        _batch.reset(token)


def for_every_batch() -> bool:
    """Whether a graph is being lowered for every batch size."""
    return _batch.get() is not None


def params(node: Node) -> dict[str, Any]:
    """A node's parameters, with tensors for sizes; a slice of a whole axis needs none."""
    found = dict(node.params)
    if "index" in found:
        found["index"] = tuple(
            (0, None, 1) if triple == (0, n, 1) else triple
            for triple, n in zip(found["index"], node.inputs[0].aval.shape, strict=True)
        )
    return {name: _resolved(value) for name, value in found.items()}


def _resolved(param: Any) -> Any:
    if isinstance(param, tuple):
        return tuple(map(_resolved, param))
    return param.times * _batch.get() + param.plus if isinstance(param, Size) else param


def known(sizes: Sequence[int]) -> list[int | None]:
    """A shape as TensorFlow writes it: None for what depends on the batch."""
    return [None if isinstance(n, Size) else n for n in sizes]


def shape(x: Tensor) -> list[Any]:
    """A tensor's shape: numbers, and where those are not known, tensors."""
    return [tf.shape(x)[i] if n is None else n for i, n in enumerate(x.shape)]


def broadcast_shape(*shapes: Sequence[Any]) -> list[Any]:
    """`np.broadcast_shapes` of what `shape` gives."""
    if all(isinstance(n, int) for one in shapes for n in one):
        return list(np.broadcast_shapes(*map(tuple, shapes)))
    vectors = [tf.stack(one) if one else tf.zeros(0, tf.int32) for one in shapes]
    return list(tf.unstack(reduce(tf.broadcast_dynamic_shape, vectors), max(map(len, shapes))))
