"""Derivatives of operations that move elements: the moves backwards."""

from __future__ import annotations

from typing import Any

import numpy as np

from kerasflow.autodiff.joint import Joint, Part
from kerasflow.tracing import apply, cast

Index = tuple[tuple[int, int | None, int], ...]


def _getitem(g: Any, result: Any, x: Any, index: Index) -> Part:
    return Part(g, index)


def _setitem_x(g: Any, result: Any, x: Any, value: Any, index: Index) -> Any:
    return apply("setitem", g, cast(0, g.dtype), index=index)


def _setitem_value(g: Any, result: Any, x: Any, value: Any, index: Index) -> Any:
    return apply("getitem", g, index=index)


def _concatenate(gs: Any, results: Any, operands: Any, wanted: Any, axis: int) -> list[Any]:
    (g,) = gs
    before = (slice(None),) * axis
    cotangents, start = [], 0
    for x, want in zip(operands, wanted, strict=True):
        stop = start + x.shape[axis]
        cotangents.append(g[(*before, slice(start, stop))] if want else None)
        start = stop
    return cotangents


def _pad_x(g: Any, result: Any, x: Any, value: Any, pad_width: Any) -> Any:
    return g[tuple(slice(before, before + n) for (before, _), n in zip(pad_width, x.shape, strict=True))]


def _pad_value(g: Any, result: Any, x: Any, value: Any, pad_width: Any) -> Any:
    return np.sum(g) - np.sum(_pad_x(g, result, x, value, pad_width))


RULES: dict[str, Any] = {
    "reshape": (lambda g, r, x, shape: np.reshape(g, x.shape),),
    "transpose": (lambda g, r, x, axes: np.transpose(g, np.argsort(axes).tolist()),),
    # Broadcasting is undone by the sweep.
    "broadcast_to": (lambda g, r, x, shape: g,),
    "getitem": (_getitem,),
    "setitem": (_setitem_x, _setitem_value),
    "concatenate": Joint(_concatenate),
    "pad": (_pad_x, _pad_value),
}
