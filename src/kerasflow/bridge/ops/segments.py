"""Reductions over segments: rows that have the same number are combined."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from kerasflow.bridge.ops.tensors import tensor
from kerasflow.errors import TracingError
from kerasflow.tracing import Tracer, apply, at_user_line


def _extreme(dtype: np.dtype[Any], sign: int) -> Any:
    """The largest (sign 1) or the smallest (sign -1) number of a dtype."""
    if dtype.kind == "b":
        return sign > 0
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        return limits.max if sign > 0 else limits.min
    return sign * np.inf


def _segment_reduction(name: str, mode: str, neutral: Callable[[np.dtype[Any]], Any]) -> Callable[..., Any]:
    """A reduction by `scatter` onto an array of neutral elements, which empty segments keep."""

    def reduction(data: Any, segment_ids: Any, num_segments: int | None = None, sorted: bool = False) -> Any:
        data, segment_ids = tensor(data), tensor(segment_ids)
        if num_segments is None:
            if isinstance(segment_ids, Tracer) and not segment_ids.owner.concrete:
                raise TracingError(
                    at_user_line(
                        f"Argument `num_segments` of `{name}` must be set while a program is traced: "
                        "the shape of the result would depend on the values of `segment_ids`."
                    )
                )
            num_segments = int(np.max(segment_ids)) + 1 if segment_ids.size else 0
        # Numbers outside of the segments go to one row more, which is dropped.
        outside = np.logical_or(segment_ids < 0, segment_ids >= num_segments)
        rows = np.where(outside, num_segments, segment_ids)
        start = np.full((num_segments + 1, *data.shape[1:]), neutral(data.dtype), data.dtype)
        return apply("scatter", start, data, rows, mode=mode)[:num_segments]

    reduction.__name__ = reduction.__qualname__ = name
    reduction.__doc__ = f"Rows of `data` with the same segment number, combined by `{mode}`."
    return reduction


segment_sum = _segment_reduction("segment_sum", "add", lambda dtype: 0)
segment_prod = _segment_reduction("segment_prod", "multiply", lambda dtype: 1)
segment_max = _segment_reduction("segment_max", "maximum", lambda dtype: _extreme(dtype, -1))
segment_min = _segment_reduction("segment_min", "minimum", lambda dtype: _extreme(dtype, 1))
