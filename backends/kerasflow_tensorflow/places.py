"""What convolution and pooling share: padding, and the places of a window."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from kerasflow.primitives.convolution import Pairs, Sizes, margins
from kerasflow_tensorflow import sizes
from kerasflow_tensorflow.dtypes import Tensor


def pad(x: Tensor, padding: Pairs, value: Any = 0) -> Tensor:
    """x with its spatial axes padded, or cut where the padding is negative."""
    if all(pair == (0, 0) for pair in padding):
        return x
    cut, widths = margins((0, *x.shape[1:]), padding)  # The samples are as many as they are.
    return tf.pad(x[(slice(None), *cut[1:])], widths, constant_values=tf.constant(value, x.dtype))


def unpad(x: Tensor, padding: Pairs) -> Tensor:
    """What `pad` takes back."""
    return pad(x, tuple((-before, -behind) for before, behind in padding))


def spread(shape: Sequence[Any], seen: tuple[slice, ...], term: Tensor) -> Tensor:
    """Zeros of a padded input's shape, with a term for each window where the windows see one place (spatial slices)."""
    if 0 in term.shape or 0 in shape[1:]:
        return tf.zeros(shape, term.dtype)
    return placed(shape, (slice(None), *seen, slice(None)), term)


def placed(shape: Sequence[Any], index: tuple[slice, ...], values: Tensor) -> Tensor:
    """Zeros of this shape, with values at the places of an index (slices with positive steps).

    `TensorStridedSliceUpdate` would do it, but XLA has it without steps alone.
    """
    for axis, (n, s) in enumerate(zip(shape, index, strict=True)):
        if s == slice(None):
            continue
        first, _, step = s.indices(n)
        count = values.shape[axis]
        if step > 1:  # zeros behind each value; those behind the last one are cut off again
            behind = [[0, 0]] * (axis + 1) + [[0, step - 1]] + [[0, 0]] * (values.ndim - axis - 1)
            wide = tf.pad(tf.expand_dims(values, axis + 1), behind)
            values = tf.reshape(
                wide, [*sizes.shape(values)[:axis], count * step, *sizes.shape(values)[axis + 1 :]]
            )
            values = values[(slice(None),) * axis + (slice((count - 1) * step + 1),)]
        rest = n - first - values.shape[axis]
        if first or rest:
            around = [[0, 0]] * axis + [[first, rest]] + [[0, 0]] * (values.ndim - axis - 1)
            values = tf.pad(values, around)
    return values


def padding_name(
    spatial: Sizes, window: Sizes, strides: Sizes, padding: Pairs, dilation: Sizes
) -> str | None:
    """TensorFlow's name for a padding, if it has one."""
    if all(pair == (0, 0) for pair in padding):
        return "VALID"
    for n, k, s, d, pair in zip(spatial, window, strides, dilation, padding, strict=True):
        total = max((-(-n // s) - 1) * s + (k - 1) * d + 1 - n, 0)
        if pair != (total // 2, total - total // 2):
            return None
    return "SAME"
