"""What convolution and pooling share: padding, and the places of a window."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from kerasflow.primitives.convolution import Pairs, Sizes
from kerasflow_tensorflow.dtypes import Tensor


def pad(x: Tensor, padding: Pairs, value: Any = 0) -> Tensor:
    """x with its spatial axes padded, or cut where the padding is negative."""
    if all(pair == (0, 0) for pair in padding):
        return x
    pairs = ((0, 0), *padding, (0, 0))
    cut = tuple(
        slice(max(-before, 0), n - max(-behind, 0))
        for n, (before, behind) in zip(x.shape, pairs, strict=True)
    )
    widths = [(max(before, 0), max(behind, 0)) for before, behind in pairs]
    return tf.pad(x[cut], widths, constant_values=tf.constant(value, x.dtype))


def unpad(x: Tensor, padding: Pairs) -> Tensor:
    """What `pad` takes back."""
    return pad(x, tuple((-before, -behind) for before, behind in padding))


def spread(shape: Sequence[int], seen: tuple[slice, ...], term: Tensor) -> Tensor:
    """Zeros of a padded input's shape, with a term for each window where the windows see one place (spatial slices)."""
    if 0 in term.shape or 0 in shape:
        return tf.zeros(shape, term.dtype)
    index = (slice(0, shape[0], 1), *seen, slice(0, shape[-1], 1))
    begin, end, steps = ([getattr(s, name) for s in index] for name in ("start", "stop", "step"))
    return tf.raw_ops.TensorStridedSliceUpdate(
        input=tf.zeros(shape, term.dtype), begin=begin, end=end, strides=steps, value=term
    )


def padding_name(sizes: Sizes, window: Sizes, strides: Sizes, padding: Pairs, dilation: Sizes) -> str | None:
    """TensorFlow's name for a padding, if it has one."""
    if all(pair == (0, 0) for pair in padding):
        return "VALID"
    for n, k, s, d, pair in zip(sizes, window, strides, dilation, padding, strict=True):
        total = max((-(-n // s) - 1) * s + (k - 1) * d + 1 - n, 0)
        if pair != (total // 2, total - total // 2):
            return None
    return "SAME"
