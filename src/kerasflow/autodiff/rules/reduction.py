"""Derivatives of reductions and cumulative operations."""

from __future__ import annotations

from typing import Any

import numpy as np

from kerasflow.tracing import cast


def _spread(g: Any, shape: tuple[int, ...], axis: tuple[int, ...]) -> Any:
    """A reduction's cotangent or result with the reduced axes back, as size 1."""
    return np.reshape(g, tuple(1 if i in axis else n for i, n in enumerate(shape)))


def _sum(g: Any, result: Any, x: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
    return np.broadcast_to(_spread(g, x.shape, axis), x.shape)


def _extremum(g: Any, result: Any, x: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
    """Equal shares for all elements that attain the extremum."""
    hit = cast(x == _spread(result, x.shape, axis), g.dtype)
    return hit * (_spread(g, x.shape, axis) / np.sum(hit, axis=axis, keepdims=True))


def _prod(g: Any, result: Any, x: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
    """The product of all other elements, as running products from both ends: right for zeros too."""
    rest = [i for i in range(x.ndim) if i not in axis]
    order = rest + list(axis)
    moved = np.transpose(x, order)
    flat = np.reshape(moved, (*(x.shape[i] for i in rest), -1))
    one = np.ones((*flat.shape[:-1], 1), x.dtype)
    before = np.concatenate([one, np.cumprod(flat[..., :-1], axis=-1)], axis=-1)
    after = np.concatenate([np.cumprod(flat[..., :0:-1], axis=-1)[..., ::-1], one], axis=-1)
    others = np.transpose(np.reshape(before * after, moved.shape), np.argsort(order).tolist())
    return _spread(g, x.shape, axis) * others


def _cumsum(g: Any, result: Any, x: Any, axis: int) -> Any:
    return np.flip(np.cumsum(np.flip(g, axis), axis=axis, dtype=g.dtype), axis)


def _cumprod(g: Any, result: Any, x: Any, axis: int) -> Any:
    """The product of what stands before each element, times a sum over the later products without both.

    Written without a division by x, so that zeros are right. The sum has a recurrence, `after[i] = g[i] + x[i + 1] *
    after[i + 1]`, which is solved by doubling the length that it has been summed over: log2(n) operations on n numbers.
    """
    n = x.shape[axis]
    x, after = np.moveaxis(x, axis, -1), np.moveaxis(g, axis, -1)
    one = np.ones((*x.shape[:-1], 1), x.dtype)
    before = np.cumprod(np.concatenate([one, x], axis=-1)[..., :n], axis=-1)
    length, products = 1, x[..., 1:]  # of that many elements in a row
    while length < n:
        longer = after[..., :-length] + products * after[..., length:]
        after = np.concatenate([longer, after[..., -length:]], axis=-1)
        products = products[..., :-length] * products[..., length:]
        length *= 2
    return np.moveaxis(before * after, -1, axis)


RULES: dict[str, Any] = {
    "sum": (_sum,),
    "prod": (_prod,),
    "max": (_extremum,),
    "min": (_extremum,),
    "cumsum": (_cumsum,),
    "cumprod": (_cumprod,),
}
