"""Reductions, shapes, places, products of matrices: what works on whole arrays, with PyTensor's own operations."""

from __future__ import annotations

import pytensor.tensor as pt

from kerasflow.primitives.shape import slices
from kerasflow_pytensor.dtypes import Lowering, Tensor


def _total(function: Lowering) -> Lowering:
    """A sum or a product in x's own dtype."""

    def lowered(x: Tensor, axis: tuple[int, ...], keepdims: bool) -> Tensor:
        return function(x, axis=axis, keepdims=keepdims, dtype=x.dtype, acc_dtype=x.dtype)

    return lowered


def _setitem(x: Tensor, value: Tensor, index: tuple[tuple[int, int | None, int], ...]) -> Tensor:
    if not index:
        return pt.reshape(value, x.type.shape)
    return pt.set_subtensor(x[slices(index)], value)


def _pad(x: Tensor, value: Tensor, pad_width: tuple[tuple[int, int], ...]) -> Tensor:
    if not pad_width:
        return x
    shape = [n + before + behind for n, (before, behind) in zip(x.type.shape, pad_width, strict=True)]
    inside = tuple(slice(before, before + n) for n, (before, _) in zip(x.type.shape, pad_width, strict=True))
    return pt.set_subtensor(pt.alloc(value, *shape)[inside], x)


def _gather(x: Tensor, *indices: Tensor) -> Tensor:
    return x[indices]


_SCATTERS = {"set": pt.set_subtensor, "add": pt.inc_subtensor}


def _scatter(x: Tensor, updates: Tensor, *indices: Tensor, mode: str) -> Tensor:
    if mode not in _SCATTERS:
        return NotImplemented
    places = x[indices]
    return _SCATTERS[mode](places, pt.broadcast_to(updates, places.type.shape))


def _matmul(x: Tensor, y: Tensor) -> Tensor:
    return pt.dot(x, y) if x.ndim == y.ndim == 2 else pt.matmul(x, y)


def _along(function: Lowering) -> Lowering:
    return lambda x, axis, **params: function(x, axis=axis, **params)


NATIVE: dict[str, tuple[Lowering, str]] = {
    "sum": (_total(pt.sum), "fi"),
    "prod": (_total(pt.prod), "fi"),
    "max": (_along(pt.max), "fi"),
    "any": (_along(pt.any), "b"),
    "all": (_along(pt.all), "b"),
    "argmax": (_along(pt.argmax), "fi"),
    "cumsum": (_along(pt.cumsum), "f"),
    "cumprod": (_along(pt.cumprod), "f"),
    "reshape": (lambda x, shape: pt.reshape(x, shape), "fiucb"),
    "transpose": (lambda x, axes: x.dimshuffle(*axes), "fiucb"),
    "broadcast_to": (lambda x, shape: pt.broadcast_to(x, shape), "fiucb"),
    "getitem": (lambda x, index: x[slices(index)], "fiucb"),
    "setitem": (_setitem, "fiucb"),
    "concatenate": (lambda *xs, axis: pt.concatenate(xs, axis=axis), "fiucb"),
    "pad": (_pad, "fiucb"),
    "gather": (_gather, "fiucb"),
    "scatter": (_scatter, "fi"),
    "sort": (_along(pt.sort), "fi"),
    "argsort": (lambda x, axis: pt.argsort(x, axis=axis, stable=True), "fi"),
    "searchsorted": (lambda a, v, side: pt.searchsorted(a, v, side=side), "fi"),
    "matmul": (_matmul, "f"),
}
