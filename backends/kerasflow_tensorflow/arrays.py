"""Reductions, shapes, places: what works on whole arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from kerasflow.primitives.shape import slices
from kerasflow_tensorflow.dtypes import HALF, INTEGERS, SMALL, Lowering, Tensor, numpy_dtype, via
from kerasflow_tensorflow.places import placed
from kerasflow_tensorflow.sizes import broadcast_shape, shape

# -- reductions ---------------------------------------------------------------------------------------------


def _reduction(function: Lowering, wider: dict[str, str]) -> Lowering:
    def lowered(x: Tensor, axis: tuple[int, ...], keepdims: bool) -> Tensor:
        return function(x, axis=list(axis), keepdims=keepdims)

    return via(lowered, wider)


def _extreme(function: Lowering, arg: Lowering) -> Lowering:
    """The largest or the smallest element; NaN, if there is one."""

    def lowered(x: Tensor, axis: tuple[int, ...], keepdims: bool) -> Tensor:
        if x.dtype.is_complex:
            return _complex_extreme(x, axis, keepdims, arg)
        return function(x, axis=list(axis), keepdims=keepdims)

    return via(lowered, {**SMALL, **HALF})


def _complex_extreme(x: Tensor, axis: tuple[int, ...], keepdims: bool, arg: Lowering) -> Tensor:
    kept = [i for i in range(x.ndim) if i not in axis]
    flat = tf.reshape(tf.transpose(x, [*kept, *axis]), [*(shape(x)[i] for i in kept), -1])
    order = _argsort(flat, len(kept))
    place = order[..., -1] if arg is tf.argmax else order[..., 0]
    found = tf.gather(flat, place, axis=-1, batch_dims=len(kept))
    return tf.reshape(found, [1 if i in axis else n for i, n in enumerate(shape(x))]) if keepdims else found


def _arg(function: Lowering) -> Lowering:
    def lowered(x: Tensor, axis: int) -> Tensor:
        found = function(x, axis=axis)
        if not x.dtype.is_floating:
            return found
        nan = tf.math.is_nan(x)  # The first NaN wins.
        first = tf.argmax(tf.cast(nan, tf.int32), axis=axis)
        return tf.where(tf.reduce_any(nan, axis=axis), first, found)

    return via(lowered, {**INTEGERS, **HALF, "int64": "int64"})


def _cumulative(function: Lowering) -> Lowering:
    return via(lambda x, axis: function(x, axis=axis), {**SMALL, **HALF})


# -- shapes -------------------------------------------------------------------------------------------------


def _setitem(x: Tensor, value: Tensor, index: tuple[tuple[int, int | None, int], ...]) -> Tensor:
    if not index:
        return tf.reshape(value, x.shape)
    # An axis that is taken whole may be of any size.
    where = [slice(None) if triple == (0, None, 1) else slice(*triple) for triple in index]
    parts = list(zip(shape(x), where, strict=True))
    value = tf.broadcast_to(value, [n if s == slice(None) else len(range(n)[s]) for n, s in parts])
    if 0 in value.shape:
        return tf.identity(x)
    backwards = [axis for axis, s in enumerate(where) if s.step is not None and s.step < 0]
    if backwards:
        value = tf.reverse(value, backwards)
    forwards = tuple(s if s == slice(None) else _forwards(range(n)[s]) for n, s in parts)
    mask = np.zeros([1 if s == slice(None) else n for n, s in parts], bool)
    mask[forwards] = True
    return tf.where(mask, placed(shape(x), forwards, value), x)


def _forwards(places: range) -> slice:
    """The same places in rising order."""
    places = places if places.step > 0 else places[::-1]
    return slice(places.start, places[-1] + 1, places.step)


def _pad(x: Tensor, value: Tensor, pad_width: tuple[tuple[int, int], ...]) -> Tensor:
    if not pad_width:
        return tf.identity(x)
    return tf.raw_ops.PadV2(input=x, paddings=[list(pair) for pair in pad_width], constant_values=value)


def _view(x: Tensor, dtype: np.dtype[Any]) -> Tensor:
    before, after = numpy_dtype(x).itemsize, dtype.itemsize
    if before == after:
        return tf.bitcast(x, dtype)
    if before > after:
        return tf.reshape(tf.bitcast(x, dtype), [*shape(x)[:-1], x.shape[-1] * before // after])
    return tf.bitcast(tf.reshape(x, [*shape(x)[:-1], x.shape[-1] * before // after, after // before]), dtype)


# -- places -------------------------------------------------------------------------------------------------


def _places(x: Tensor, indices: tuple[Tensor, ...]) -> Tensor:
    """Indices of the first axes as `gather_nd` and `scatter_nd` want them; negative ones count from the end."""
    together = broadcast_shape(*map(shape, indices))
    columns = []
    for i, n in zip(indices, shape(x), strict=False):
        i = tf.broadcast_to(tf.cast(i, tf.int64), together)
        columns.append(tf.where(i < 0, i + tf.cast(n, tf.int64), i))
    return tf.stack(columns, axis=-1)


def _gather(x: Tensor, *indices: Tensor) -> Tensor:
    places = _places(x, indices)
    return tf.gather(x, places[..., 0]) if len(indices) == 1 else tf.gather_nd(x, places)


_SCATTERS = {
    "set": tf.tensor_scatter_nd_update,
    "add": tf.tensor_scatter_nd_add,
    "maximum": tf.tensor_scatter_nd_max,
    "minimum": tf.tensor_scatter_nd_min,
}


def _scatter(x: Tensor, updates: Tensor, *indices: Tensor, mode: str) -> Tensor:
    places = _places(x, indices)
    updates = tf.broadcast_to(updates, [*shape(places)[:-1], *shape(x)[len(indices) :]])
    if places.ndim == 1:
        places, updates = places[None], updates[None]
    if mode != "multiply":
        return _SCATTERS[mode](x, places, updates)
    rows = [int(n) for n in x.shape[: len(indices)]]
    steps = [int(np.prod(rows[i + 1 :], dtype=np.int64)) for i in range(len(rows))]
    row = tf.reduce_sum(places * tf.constant(steps, tf.int64), axis=-1)
    factors = tf.math.unsorted_segment_prod(updates, row, int(np.prod(rows, dtype=np.int64)))
    return x * tf.reshape(factors, x.shape)


def _collect_rows(updates: Tensor, index: Tensor, size: int) -> tuple[Tensor, Tensor]:
    n = shape(index)[0]
    if n == 0:
        return tf.identity(updates), tf.cast(index, tf.int64)
    index = tf.cast(index, tf.int64)
    index = tf.where(index < 0, index + tf.cast(size, tf.int64), index)
    order = tf.argsort(index, stable=True)
    ordered = tf.gather(index, order)
    new = tf.concat([[0], tf.cast(ordered[1:] != ordered[:-1], tf.int32)], 0)
    row = tf.cumsum(new)
    distinct = tf.math.unsorted_segment_max(ordered, row, n)  # the least number where there is none
    count = tf.range(n, dtype=tf.int64)
    unused = tf.reduce_sum(tf.cast(distinct == count, tf.int64))
    places = tf.where(count <= tf.cast(row[-1], tf.int64), distinct, unused)
    return tf.math.unsorted_segment_sum(tf.gather(updates, order), row, n), places


def _argsort(x: Tensor, axis: int) -> Tensor:
    """Stable; NaNs last. Complex numbers are sorted by their imaginary parts and then, stably, by their real ones."""
    if x.dtype.is_complex:
        first = _argsort(tf.math.imag(x), axis)
        real = tf.experimental.numpy.take_along_axis(tf.math.real(x), first, axis)
        return tf.experimental.numpy.take_along_axis(first, _argsort(real, axis), axis)
    order = tf.argsort(x, axis=axis, stable=True)
    if x.dtype.is_floating:
        nan = tf.experimental.numpy.take_along_axis(tf.cast(tf.math.is_nan(x), tf.int32), order, axis)
        order = tf.experimental.numpy.take_along_axis(order, tf.argsort(nan, axis=axis, stable=True), axis)
    return tf.cast(order, tf.int64)


def _sort(x: Tensor, axis: int) -> Tensor:
    return tf.experimental.numpy.take_along_axis(x, _argsort(x, axis), axis)


def _top_k(x: Tensor, k: int) -> Tensor:
    """TensorFlow's own, but where there are NaNs, which have no order there."""
    last, n = x.ndim - 1, shape(x)[-1]
    k = min(k, n)
    if x.dtype.is_floating:  # To XLA, 0 is larger than -0.
        x = tf.where(x == 0, tf.zeros_like(x), x)

    def own() -> Tensor:
        return tf.cast(tf.math.top_k(x, k).indices, tf.int64)

    def by_sorting() -> Tensor:
        return (n - 1 - tf.reverse(_argsort(tf.reverse(x, [last]), last), [last]))[..., :k]

    if x.dtype.is_complex:
        return by_sorting()
    return tf.cond(tf.reduce_any(tf.math.is_nan(x)), by_sorting, own) if x.dtype.is_floating else own()


def _searchsorted(a: Tensor, v: Tensor, side: str) -> Tensor:
    found = tf.searchsorted(a, tf.reshape(v, [-1]), side=side, out_type=tf.int64)
    return tf.reshape(found, shape(v))


_WIDE = {**HALF, **SMALL}

LOWERINGS: dict[str, Lowering] = {
    "sum": _reduction(tf.reduce_sum, _WIDE),
    "prod": _reduction(tf.reduce_prod, _WIDE),
    "max": _extreme(tf.reduce_max, tf.argmax),
    "min": _extreme(tf.reduce_min, tf.argmin),
    "any": _reduction(tf.reduce_any, {}),
    "all": _reduction(tf.reduce_all, {}),
    "argmax": _arg(tf.argmax),
    "argmin": _arg(tf.argmin),
    "cumsum": _cumulative(tf.cumsum),
    "cumprod": _cumulative(tf.math.cumprod),
    "reshape": tf.reshape,
    "transpose": lambda x, axes: tf.transpose(x, axes),
    "broadcast_to": tf.broadcast_to,
    "getitem": lambda x, index: x[slices(index)] if index else tf.identity(x),
    "setitem": _setitem,
    "concatenate": lambda *xs, axis: tf.concat(xs, axis),
    "pad": _pad,
    "view": _view,
    "gather": _gather,
    "scatter": via(_scatter, _WIDE),
    "collect_rows": via(_collect_rows, _WIDE),
    "sort": via(_sort, _WIDE),
    "argsort": via(_argsort, _WIDE),
    "top_k": via(_top_k, _WIDE),
    "searchsorted": via(_searchsorted, _WIDE),
}
