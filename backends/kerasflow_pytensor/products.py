"""Large products of matrices, in parts on several threads; BLAS's own are held to one (`blas`)."""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.op import Op
from pytensor.tensor.math import Dot

from kerasflow_pytensor.dtypes import Array

# A product of fewer multiplications and additions is not worth waking a thread for.
MIN_OPERATIONS = 1 << 24
# Parts begin at multiples of this many rows or columns: whole vectors of the processor.
_STEP = 16

Piece = tuple[Array, Array, Array]


def is_large(node: Apply) -> bool:
    """Whether a node is a product of matrices that is worth several threads."""
    if not isinstance(node.op, Dot) or node.outputs[0].type.ndim != 2:
        return False
    x, y = (v.type.shape for v in node.inputs)
    return math.prod(x) * y[1] >= MIN_OPERATIONS


class Product(Op):
    """The product of two matrices.

    The parts depend on the number of threads alone, and so do the bits; whichever thread is free takes the next one.
    """

    __props__ = ("threads",)

    def __init__(self, threads: int) -> None:
        self.threads = threads

    def make_node(self, x: Variable, y: Variable) -> Apply:
        kind = x.type.clone(shape=(x.type.shape[0], y.type.shape[1]))
        return Apply(self, [x, y], [kind()])

    def perform(self, node: Apply, inputs: Any, output_storage: Any) -> None:
        x, y = inputs
        out = output_storage[0][0] = np.empty((x.shape[0], y.shape[1]), x.dtype)
        along = int(out.shape[1] >= out.shape[0])
        size = -(-out.shape[along] // self.threads)
        size = -(-size // _STEP) * _STEP
        cuts = [slice(start, start + size) for start in range(0, out.shape[along], size)]
        pieces = [(x, y[:, c], out[:, c]) if along else (x[c], y, out[c]) for c in cuts]
        waiting = iter(pieces)  # one piece to each caller: atomic in CPython
        helpers = [_pool(os.getpid()).submit(_multiply, waiting) for _ in pieces[1:]]
        _multiply(waiting)
        for helper in helpers:
            if not helper.cancel():  # It has begun.
                helper.result()


def _multiply(pieces: Iterable[Piece]) -> None:
    """Do pieces until none is left."""
    for x, y, out in pieces:
        np.matmul(x, y, out=out)


@functools.cache
def _pool(process: int) -> ThreadPoolExecutor:
    """This process's threads; a forked one has none of its parent's."""
    return ThreadPoolExecutor(thread_name_prefix="kerasflow_pytensor")
