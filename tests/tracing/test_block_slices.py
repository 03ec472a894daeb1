"""Slices that begin at a traced index: `x[i : i + n]` as in NumPy, wherever i is; anything else is an error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from kerasflow.compiler import jit
from kerasflow.errors import TracingError
from kerasflow.testing import check_grads

X = np.arange(120.0).reshape(4, 5, 6)

SLICES: list[Callable[[Any, Any], Any]] = [
    lambda x, i: x[i : i + 2],
    lambda x, i: x[:, i : 3 + i],
    lambda x, i: x[..., i : i + 1, None],
    lambda x, i: x[1:3, i : i + 2, i + 1 : i + 1 + 3],  # Two at once are no pairs of places.
    lambda x, i: x[0, i : i + 2],
    lambda x, i: x[None, i : i + 2, ..., 3],
    lambda x, i: x[[0, 2], :, i : i + 2],
    lambda x, i: x[i : i + 0],
    lambda x, i: x[i + 1 : i],
    lambda x, i: x[:, 1 + i - 1 : 2 - 1 + i + 2],
    lambda x, i: x[i : i + 2 : None],
]


@pytest.mark.parametrize("use", SLICES, ids=range(len(SLICES)))
@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint8])
def test_as_numpy(use: Callable[[Any, Any], Any], dtype: Any) -> None:
    for i in (0, 1, 2):
        np.testing.assert_array_equal(jit(use)(X, dtype(i)), use(X, i), strict=True)


def test_from_the_end() -> None:
    for i in (-4, -3):
        np.testing.assert_array_equal(jit(SLICES[0])(X, np.int32(i)), SLICES[0](X, i), strict=True)


def test_gradient() -> None:
    check_grads(lambda x: SLICES[3](x, np.argmin(x[:3, 0, 0])), (X,), 2)


@pytest.mark.parametrize("i", [3, 4, -1, -5])
def test_beyond_the_array_is_an_error(i: int) -> None:
    """NumPy's result would have another shape."""
    with pytest.raises(IndexError, match="out of bounds"):
        jit(SLICES[0])(X, np.int32(i))


UNKNOWN: list[Callable[[Any, Any], Any]] = [
    lambda x, i: x[i:],
    lambda x, i: x[:i],
    lambda x, i: x[i : i * 2],
    lambda x, i: x[i : i + i],
    lambda x, i: x[1 : i + 1],
    lambda x, i: x[i : i + 4 : 2],
    lambda x, i: x[:: i + 1],
    lambda x, i: x[i[None] : i[None] + 2],
]


@pytest.mark.parametrize("use", UNKNOWN, ids=range(len(UNKNOWN)))
def test_lengths_that_are_not_known(use: Callable[[Any, Any], Any]) -> None:
    with pytest.raises(
        TracingError, match=r"bounds of a slice are traced(.|\n)*keras\.ops\.slice(.|\n)*at .*lambda x, i:"
    ):
        jit(use)(X, np.int32(1))
