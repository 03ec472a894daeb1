"""Cells: what programs and host code hold of the same memory."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

from kerasflow.tracing import Cell, acquire, release
from kerasflow.tracing.state import COPIED
from kerasflow_numpy import NumpyBackend

BACKEND = NumpyBackend()
MANY = COPIED  # elements
DTYPES = [np.float32, np.int8, bool, np.complex64, ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn]


def _used(cell: Cell, writes: bool = True) -> np.ndarray[Any, Any]:
    """The buffer that a program gets."""
    buffers = acquire([cell], [writes], BACKEND)
    release([cell], buffers, buffers)
    return buffers[0]


@pytest.mark.parametrize(
    "dtype", [np.float32, np.int8, bool, np.complex64, ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn]
)
@pytest.mark.parametrize("shape", [(MANY,), (3, MANY), (), (0, 7)])
def test_what_is_read_stays_as_it_is(dtype: Any, shape: tuple[int, ...]) -> None:
    first = np.array(np.arange(np.prod(shape)).reshape(shape) % 2, dtype)
    cell = Cell(first.copy())
    for use in (False, True):
        if use:
            _used(cell)
        read = cell.read()
        assert (read.dtype, read.shape) == (first.dtype, first.shape)
        assert not read.flags.writeable
        cell.write(np.zeros(shape, dtype))
        _used(cell)[...] = 1
        np.testing.assert_array_equal(read, first)
        cell.write(first.copy())


def test_what_is_read_cannot_be_made_writeable() -> None:
    cell = Cell(np.zeros(MANY))
    _used(cell)
    for view in (cell.read(), cell.read()[1:], cell.read().T):
        with pytest.raises(ValueError, match="WRITEABLE"):
            view.flags.writeable = True


@pytest.mark.parametrize("n", [1, MANY])
def test_a_buffer_that_nobody_reads_is_refilled(n: int) -> None:
    """A program that is bound to it stays so."""
    cell = Cell(np.zeros(n))
    buffer = _used(cell)
    for value in range(1, 4):
        assert cell.read().sum() == (value - 1) * n
        cell.write(np.full(n, float(value)))
        assert _used(cell) is buffer
        assert (buffer == value).all()


def _itself(array: Any) -> Any:
    return array


def _bytes(array: Any) -> Any:
    return array.view(np.uint8)


def _slice_of_a_view(array: Any) -> Any:
    return array.reshape(2, -1)[1, 3:].T


@pytest.mark.parametrize(
    "hold", [_itself, _slice_of_a_view, memoryview, np.asarray, lambda array: array.view(np.uint8)]
)
@pytest.mark.parametrize("happens", ["assigned", "written by a program"])
def test_a_buffer_that_somebody_holds_is_left_alone(hold: Any, happens: str) -> None:
    cell = Cell(np.zeros(MANY))
    buffer = _used(cell)
    held = hold(cell.read())
    if happens == "assigned":
        cell.write(np.ones(MANY))
    replaced = _used(cell)
    assert replaced is not buffer
    replaced[...] = 1
    assert not np.asarray(held).any()
    # The new one is nobody's yet.
    assert _used(cell) is replaced
    cell.write(np.full(MANY, 2.0))
    assert _used(cell) is replaced
    del held
    read = cell.read()
    assert (read == 2).all()
    del read
    assert _used(cell) is replaced


def test_a_program_that_only_reads_shares_what_is_held() -> None:
    cell = Cell(np.zeros(MANY))
    buffer = _used(cell)
    held = cell.read()
    assert _used(cell, writes=False) is buffer
    assert np.shares_memory(held, cell.read())
