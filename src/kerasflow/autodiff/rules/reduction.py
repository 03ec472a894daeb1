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
    """Each element's share of each later product: d/dx_i of prod_{k<=j} x_k, summed over j >= i.

    Written with a product over a triangle instead of a division by x, so that zeros are right.
    """
    n = x.shape[axis]
    rows = np.moveaxis(x, axis, -1)
    i, j, k = np.ogrid[:n, :n, :n]
    # factor[i, j, k] is x_k for k <= j, k != i, else 1; the product over k, for j >= i.
    factors = np.where(
        (k <= j) & (k != i), np.reshape(rows, (*rows.shape[:-1], 1, 1, n)), np.ones((), x.dtype)
    )
    partial = np.where(np.tri(n, dtype=bool).T, np.prod(factors, axis=-1), np.zeros((), x.dtype))
    share = np.sum(partial * np.expand_dims(np.moveaxis(g, axis, -1), -2), axis=-1)
    return np.moveaxis(share, -1, axis)


RULES: dict[str, Any] = {
    "sum": (_sum,),
    "prod": (_prod,),
    "max": (_extremum,),
    "min": (_extremum,),
    "cumsum": (_cumsum,),
    "cumprod": (_cumprod,),
}
