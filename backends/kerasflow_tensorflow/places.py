"""What convolution and pooling share: padding, and the places of a window."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from kerasflow.primitives.convolution import Pairs, Sizes, margins
from kerasflow_tensorflow.dtypes import Tensor


def pad(x: Tensor, padding: Pairs, value: Any = 0) -> Tensor:
    """x with its spatial axes padded, or cut where the padding is negative."""
    if all(pair == (0, 0) for pair in padding):
        return x
    cut, widths = margins(x.shape, padding)
    return tf.pad(x[cut], widths, constant_values=tf.constant(value, x.dtype))


def unpad(x: Tensor, padding: Pairs) -> Tensor:
    """What `pad` takes back."""
    return pad(x, tuple((-before, -behind) for before, behind in padding))


def spread(shape: Sequence[int], seen: tuple[slice, ...], term: Tensor) -> Tensor:
    """Zeros of a padded input's shape, with a term for each window where the windows see one place (spatial slices)."""
    if 0 in term.shape or 0 in shape:
        return tf.zeros(shape, term.dtype)
    return placed(shape, (slice(0, shape[0], 1), *seen, slice(0, shape[-1], 1)), term)


def placed(shape: Sequence[int], index: tuple[slice, ...], values: Tensor) -> Tensor:
    """Zeros of this shape, with values at the places of an index (slices with positive steps).

    `TensorStridedSliceUpdate` would do it, but XLA has it without steps alone.
    """
    for axis, (n, s) in enumerate(zip(shape, index, strict=True)):
        first, _, step = s.indices(n)
        count = values.shape[axis]
        if step > 1:  # zeros behind each value; those behind the last one are cut off again
            behind = [[0, 0]] * (axis + 1) + [[0, step - 1]] + [[0, 0]] * (values.ndim - axis - 1)
            wide = tf.pad(tf.expand_dims(values, axis + 1), behind)
            values = tf.reshape(wide, [*values.shape[:axis], count * step, *values.shape[axis + 1 :]])
            values = values[(slice(None),) * axis + (slice((count - 1) * step + 1),)]
        rest = n - first - values.shape[axis]
        if first or rest:
            around = [[0, 0]] * axis + [[first, rest]] + [[0, 0]] * (values.ndim - axis - 1)
            values = tf.pad(values, around)
    return values


def padding_name(sizes: Sizes, window: Sizes, strides: Sizes, padding: Pairs, dilation: Sizes) -> str | None:
    """TensorFlow's name for a padding, if it has one."""
    if all(pair == (0, 0) for pair in padding):
        return "VALID"
    for n, k, s, d, pair in zip(sizes, window, strides, dilation, padding, strict=True):
        total = max((-(-n // s) - 1) * s + (k - 1) * d + 1 - n, 0)
        if pair != (total // 2, total - total // 2):
            return None
    return "SAME"
