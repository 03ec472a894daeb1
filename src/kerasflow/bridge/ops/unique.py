"""`keras.ops.unique` on traced arrays: by sorting, with a number of results that is known."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from kerasflow.bridge.ops.control import scan
from kerasflow.errors import TracingError
from kerasflow.tracing import Tracer, apply, at_user_line, cast
from kerasflow.tracing.normalize import canonical_axis


def _sorted_rows(rows: Any) -> Any:
    """The order of rows, by their first numbers first: sorted by each column, the last one first."""

    def step(order: Any, column: Any) -> tuple[Any, None]:
        return apply("gather", order, np.argsort(apply("gather", column, order), kind="stable")), None

    order, _ = scan(step, np.arange(rows.shape[0]), np.flip(rows.T, 0))
    return order


def _how_many(x: Any, axis: int | None) -> int:
    """The number of different elements of an array whose values are known.

    Raises:
        TracingError: if they are not.
    """
    if not x.owner.concrete:
        raise TracingError(
            at_user_line(
                f"`keras.ops.unique` of a traced array ({x.aval}) needs `size`, the number of results: it would depend "
                "on values, which are not known while a program is recorded. What is missing is filled up with "
                "`fill_value`."
            )
        )
    return int(np.unique(np.asarray(x), axis=axis, equal_nan=False).shape[axis or 0])


def _unique(
    x: Any,
    return_index: bool,
    return_inverse: bool,
    return_counts: bool,
    axis: int | None,
    size: int | None,
    fill_value: Any,
) -> Any:
    axis = None if axis is None else canonical_axis(axis, x.ndim)
    size = _how_many(x, axis) if size is None else int(size)
    moved = np.ravel(x) if axis is None else np.moveaxis(x, axis, 0)
    n = moved.shape[0]
    rows = np.reshape(moved, (n, math.prod(moved.shape[1:])))
    order = np.argsort(moved, kind="stable") if moved.ndim == 1 else _sorted_rows(rows)
    ordered = apply("gather", rows, order)
    first = np.concatenate([np.ones(min(n, 1), bool), np.any(ordered[1:] != ordered[:-1], axis=1)])
    number = np.cumsum(first) - 1
    # Numbers beyond the wanted ones go to one place more, which is dropped.
    place = np.where(first, np.minimum(number, size), size)

    def placed(values: Any, fill: Any) -> Any:
        start = np.full((size + 1, *values.shape[1:]), fill, values.dtype)
        return apply("scatter", start, values, place, mode="set")[:size]

    values = np.reshape(placed(ordered, fill_value or 0), (size, *moved.shape[1:]))
    results = [values if axis is None else np.moveaxis(values, 0, axis)]
    if return_index:
        results.append(placed(order, 1))
    if return_inverse:
        inverse = apply("scatter", np.zeros(n, np.intp), number, order, mode="set")
        results.append(np.reshape(inverse, x.shape if axis is None else (n,)))
    if return_counts:
        ones = cast(np.ones(n), np.intp)
        counts = apply("scatter", np.zeros(size + 1, np.intp), ones, np.minimum(number, size), mode="add")
        results.append(counts[:size])
    return results[0] if len(results) == 1 else tuple(results)


def tracing_unique(function: Callable[..., Any]) -> Callable[..., Any]:
    """Keras's own `unique` of plain arrays, ours of traced ones."""

    @functools.wraps(function)
    def unique(
        x: Any,
        sorted: bool = True,
        return_index: bool = False,
        return_inverse: bool = False,
        return_counts: bool = False,
        axis: int | None = None,
        size: int | None = None,
        fill_value: Any = None,
    ) -> Any:
        if isinstance(x, Tracer):
            return _unique(x, return_index, return_inverse, return_counts, axis, size, fill_value)
        return function(x, sorted, return_index, return_inverse, return_counts, axis, size, fill_value)

    return unique
