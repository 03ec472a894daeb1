"""Derivatives of gather, scatter and sort."""

from __future__ import annotations

from typing import Any

import numpy as np

from kerasflow.autodiff.joint import Joint
from kerasflow.tracing import apply, cast


def _gather(gs: Any, results: Any, operands: Any, wanted: Any) -> list[Any]:
    x, *indices = operands
    return [apply("scatter", np.zeros_like(x), gs[0], *indices, mode="add"), *[None] * len(indices)]


def _scatter(gs: Any, results: Any, operands: Any, wanted: Any, mode: str) -> list[Any]:
    (g,), (result,), (x, updates, *indices) = gs, results, operands
    zero, one = np.zeros((), g.dtype), np.ones((), g.dtype)
    selected = np.broadcast_shapes(*(i.shape for i in indices)) + x.shape[len(indices) :]
    if mode == "add":
        pair = [g, apply("gather", g, *indices)]
    elif mode == "set":
        # The last of several updates of one place wins: its number, scattered and gathered back, is its own.
        shape = np.broadcast_shapes(*(i.shape for i in indices))
        order = np.arange(1, int(np.prod(shape)) + 1).reshape(shape)
        winner = apply("scatter", np.zeros(x.shape[: len(indices)], order.dtype), order, *indices, mode="set")
        lead = (1,) * (x.ndim - len(indices))
        untouched = np.reshape(winner == 0, winner.shape + lead)
        won = np.reshape(apply("gather", winner, *indices) == order, shape + lead)
        pair = [np.where(untouched, g, zero), np.where(won, apply("gather", g, *indices), zero)]
    elif mode in ("maximum", "minimum"):
        # Equal shares for all that attain the extremum.
        mine = cast(x == result, g.dtype)
        theirs = cast(updates == apply("gather", result, *indices), g.dtype)
        theirs = np.broadcast_to(theirs, selected)
        share = g / np.maximum(apply("scatter", mine, theirs, *indices, mode="add"), one)
        pair = [share * mine, apply("gather", share, *indices) * theirs]
    else:
        pair = _scatter_multiply(g, x, np.broadcast_to(updates, selected), indices)
    return [*pair, *[None] * len(indices)]


def _collect_rows(gs: Any, results: Any, operands: Any, wanted: Any, size: int) -> list[Any]:
    """Each update has the cotangent of the sum that it is in."""
    (g, _), (_, places), (_, index) = gs, results, operands
    row = apply("scatter", np.zeros(size, np.intp), np.arange(index.shape[0]), places, mode="set")
    return [apply("gather", g, apply("gather", row, index)), None]


def _scatter_multiply(g: Any, x: Any, updates: Any, indices: list[Any]) -> list[Any]:
    """The product of all other factors of a place: of those that are not 0 by division, else by counting zeros."""
    zero, one = np.zeros((), g.dtype), np.ones((), g.dtype)
    here, there = x == 0, updates == 0
    factor, factors = np.where(here, one, x), np.where(there, one, updates)
    product = apply("scatter", factor, factors, *indices, mode="multiply")
    zeros = apply("scatter", cast(here, np.int32), cast(there, np.int32), *indices, mode="add")

    def others(own: Any, is_zero: Any, product: Any, zeros: Any) -> Any:
        return np.where(zeros - cast(is_zero, np.int32) == 0, product / own, zero)

    at_g, at_product, at_zeros = (apply("gather", v, *indices) for v in (g, product, zeros))
    return [g * others(factor, here, product, zeros), at_g * others(factors, there, at_product, at_zeros)]


def _sort(g: Any, result: Any, x: Any, axis: int) -> Any:
    order = apply("argsort", x, axis=axis)
    places = list(np.ix_(*(np.arange(n) for n in x.shape)))
    places[axis] = order
    return apply("scatter", np.zeros_like(x), g, *places, mode="add")


RULES: dict[str, Any] = {
    "gather": Joint(_gather),
    "scatter": Joint(_scatter),
    "collect_rows": Joint(_collect_rows),
    "sort": (_sort,),
}
