"""Python numbers take the dtype of the arrays beside them, bfloat16 too."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from kerasflow.errors import TracingError
from kerasflow.graph import ShapedArray, evaluate
from kerasflow.tracing import Trace, recording

SMALL = (np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16))

CALLS: list[Callable[[Any], Any]] = [
    *(
        lambda x, combine=combine, number=number: combine(x, number)
        for combine in (
            operator.add,
            operator.sub,
            operator.mul,
            operator.truediv,
            operator.pow,
            operator.floordiv,
        )
        for number in (2, 2.5, True)
        if not (combine is operator.sub and number is True)
    ),
    lambda x: 1.0 - x,
    lambda x: 2.5 / x,
    lambda x: np.maximum(x, 0.1),
    lambda x: np.minimum(0.5, x),
    lambda x: np.where(x > 0.5, x, 0.0),
    lambda x: np.where(x > 0.5, 1.5, x),
    lambda x: np.clip(x, 0.0, 1.0),
    lambda x: np.clip(x, 0, None),
    lambda x: np.mean(x),
    lambda x: np.sum(x, axis=0, initial=1.0),
    lambda x: np.nan_to_num(x, nan=0.5),
    lambda x: np.pad(x, 1, constant_values=0.5),
    lambda x: np.full_like(x, 2.5),
    lambda x: np.arctan2(x, 1.0),
    lambda x: np.power(2.0, x),
    lambda x: np.add(x, 1.5, dtype=x.dtype),
    lambda x: np.log(x, dtype=x.dtype),
    lambda x: np.matmul(x, x),
    lambda x: np.einsum("ij,jk->ik", x, x),
    lambda x: np.linalg.norm(x),
    lambda x: np.sinc(x),
    lambda x: np.trapezoid(x),
]


@pytest.mark.parametrize("dtype", SMALL, ids=str)
@pytest.mark.parametrize("call", CALLS, ids=range(len(CALLS)))
def test_small_floats_stay_small(call: Callable[[Any], Any], dtype: np.dtype) -> None:
    x = np.array([[0.25, 0.5], [1.0, 2.0]])
    trace = Trace()
    with recording(trace):
        result = call(trace.add_input(ShapedArray(x.shape, dtype)))
    assert result.dtype == dtype
    (found,), _ = evaluate(trace.graph([result]), [], [x.astype(dtype)])
    assert found.dtype == dtype

    wide = Trace()
    with recording(wide):
        result = call(wide.add_input(ShapedArray(x.shape, x.dtype)))
    (expected,), _ = evaluate(wide.graph([result]), [], [x])
    np.testing.assert_allclose(found.astype(float), expected, rtol=2e-2, atol=1e-3)


def test_numpy_scalars_are_not_weak() -> None:
    trace = Trace()
    with recording(trace):
        x = trace.add_input(ShapedArray((2,), np.dtype(np.float32)))
        assert (x * np.float64(2)).dtype == np.float64
        assert (x * np.array(2.0)).dtype == np.float64
        assert (x * np.float16(2)).dtype == np.float32


def test_in_place_operators_keep_the_dtype() -> None:
    trace = Trace()
    with recording(trace):
        x = start = trace.add_input(ShapedArray((2,), np.dtype(np.float32)))
        x += np.ones(2)
        x *= 2.5
        x **= 2
        assert x.dtype == np.float32
        i = trace.add_input(ShapedArray((2,), np.dtype(np.int32)))
        i //= 2
        assert i.dtype == np.int32
        i /= 2  # no integer any more: `i = i / 2`
        assert i.dtype == np.float64
        wide = x
        wide += np.ones((3, 2))
        assert wide.shape == (3, 2) and x.shape == (2,)
        total = np.zeros(2)
        with pytest.raises(TracingError, match="another array"):
            total += x
    (result,), _ = evaluate(trace.graph([x]), [], [np.array([1.0, 2.0], np.float32), np.zeros(2, np.int32)])
    np.testing.assert_array_equal(result, np.array([5.0, 7.5], np.float32) ** 2)
    assert start is not x
