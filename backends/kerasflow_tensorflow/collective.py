"""What ranks of a group do together: TensorFlow calls the group, which works on NumPy's arrays.

Such calls have effects, so that a `tf.function` makes them in the order in which they stand in the graph. Which rows
are this rank's own is known when a graph is lowered.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import tensorflow as tf

from kerasflow.groups import offset
from kerasflow.primitives import collective
from kerasflow_tensorflow.dtypes import Lowering, Tensor
from kerasflow_tensorflow.philox import random_bytes


def _all_reduce(*xs: Tensor) -> tuple[Tensor, ...]:
    def meet(*arrays: Any) -> list[Any]:
        return list(collective.all_reduce(*arrays))

    return tuple(_shaped(tf.numpy_function(meet, xs, [x.dtype for x in xs]), [x.shape for x in xs]))


def _all_gather(x: Tensor, axis: int, sizes: tuple[int, ...], size: int) -> Tensor:
    def meet(array: Any) -> Any:
        return collective.all_gather(array, axis, sizes, size)

    shape = [*x.shape[:axis], sum(sizes), *x.shape[axis + 1 :]]
    return _shaped(tf.numpy_function(meet, [x], [x.dtype]), [shape])[0]


def _shaped(found: list[Tensor], shapes: list[Any]) -> list[Tensor]:
    for tensor, shape in zip(found, shapes, strict=True):
        tensor.set_shape(shape)
    return found


def _own_part(x: Tensor, axis: int, sizes: tuple[int, ...], size: int) -> Tensor:
    return collective.part_of(x, axis, sizes, size)


def _random_part(
    seed: Tensor, shape: tuple[int, ...], dtype: np.dtype[Any], sizes: tuple[int, ...], size: int
) -> Tensor:
    row = math.prod(shape[1:]) * dtype.itemsize
    begin = offset(sizes, collective.own_rank(sizes, size)) * row
    return random_bytes(seed, begin, (size, *shape[1:]), dtype)


LOWERINGS: dict[str, Lowering] = {
    "all_reduce": _all_reduce,
    "all_gather": _all_gather,
    "own_part": _own_part,
    "random_part": _random_part,
}
