"""A constant array indexed by what is traced: `getitem`, in programs and with values; a user's own array says how."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

from kerasflow import GradientTape
from kerasflow.compiler import jit
from kerasflow.errors import TracingError
from kerasflow.testing import check_grads
from kerasflow.tracing import Trace, recording
from kerasflow.tracing.indexing import getitem

TABLE = np.arange(24.0).reshape(2, 3, 4)
ROWS, ONE = np.array([1, 0, -1]), np.array(1)

# Keys with an array or a number of indices in them.
KEYS: dict[str, Callable[[Any], Any]] = {
    "alone": lambda i: i,
    "behind a new axis": lambda i: (None, i),
    "second": lambda i: (slice(None), i),
    "last": lambda i: (..., i),
    "beside a number": lambda i: (1, i),
    "beside a slice": lambda i: (i, slice(1, None)),
    "beside a slice backwards": lambda i: (slice(None, None, -1), i),
    "twice": lambda i: (i, i),
    "beside a list": lambda i: (i, [2]),
    "beside a mask": lambda i: (slice(None), np.array([True, False, True]), i),
    "beside a boolean": lambda i: (True, slice(None), i),
    "a list with a slice": lambda i: [slice(None), i],
    "in a list": lambda i: ([i, i],),
}

# Keys with booleans in them: a single one is an axis of length 1, and all of it or nothing.
BOOLEANS: dict[str, Any] = {
    "true": True,
    "false": False,
    "of NumPy": np.False_,
    "an array": np.array(True),
    "several": (True, np.True_, False),
    "beside a number": (True, 0),
    "behind a number": (0, True),
    "behind all": (..., False),
    "beside indices": (slice(None), True, [0, 1]),
    "apart from indices": (True, slice(None), [0, 2]),
    "beside a new axis": (None, True, slice(1)),
    "beside a mask": (True, np.array([True, False]), slice(None), [0, -1, 3][:1]),
    "a list": [True, False],
}


@pytest.mark.parametrize("key", BOOLEANS.values(), ids=BOOLEANS)
def test_booleans(key: Any) -> None:
    expected = TABLE[key]
    for run in (jit, _with_values):
        np.testing.assert_array_equal(run(lambda x: x[key])(TABLE), expected, strict=True)
    check_grads(lambda x: x[key], (TABLE,))


def test_a_boolean_that_has_a_value() -> None:
    """Recorded with values, a comparison is one too; in a program it would decide on the shape of the result."""
    found = _with_values(lambda x: x[x[0, 0, 0] > 0])(TABLE)
    np.testing.assert_array_equal(found, TABLE[TABLE[0, 0, 0] > 0], strict=True)
    with pytest.raises(TracingError, match="depend on values"):
        jit(lambda x: x[x[0, 0, 0] > 0])(TABLE)


@pytest.mark.parametrize("key", KEYS)
def test_tensors(key: str) -> None:
    """An eager tensor sees the traced index by itself, wherever in the key it is."""
    made, table = KEYS[key], keras.ops.convert_to_tensor(TABLE)
    known = made(ONE)
    expected = TABLE[tuple(known) if isinstance(known, list) else known]
    for run in (jit, _with_values):
        np.testing.assert_array_equal(run(lambda i: table[made(i)])(ONE), expected)
    with pytest.raises(TracingError, match="bounds of a slice are traced"):
        jit(lambda i: table[::i])(ONE)


def _with_values(function: Callable[..., Any]) -> Callable[..., Any]:
    def run(*arrays: Any) -> Any:
        trace = Trace(concrete=True)
        with recording(trace):
            return np.asarray(function(*map(trace.lift, arrays)))

    return run


@pytest.mark.parametrize("index", [ROWS, ONE], ids=["array", "number"])
@pytest.mark.parametrize("key", KEYS)
def test_as_numpy_does(key: str, index: Any) -> None:
    made = KEYS[key]
    if key == "beside a mask" and index is ROWS:
        index = ROWS[:2]
    known = made(index)
    expected = TABLE[tuple(known) if isinstance(known, list) else known]
    for run in (jit, _with_values):
        np.testing.assert_array_equal(run(lambda i: getitem(TABLE, made(i)))(index), expected)
    np.testing.assert_array_equal(jit(lambda x, i: x[made(i)])(TABLE, index), expected)
    check_grads(lambda x, i: getitem(x, made(i)), (TABLE, index))


def test_a_list_of_numbers_is_an_array_of_indices() -> None:
    for key in ([0, 1, 0], [True, False], (slice(None), [1, 0]), [[0, 1], [1, 0]], [], range(2)):
        np.testing.assert_array_equal(jit(lambda x, key=key: x[key])(TABLE), TABLE[key])
    np.testing.assert_array_equal(jit(lambda i: getitem(TABLE, [i, 0]))(ONE), TABLE[[1, 0]])


def test_a_block_from_a_traced_place() -> None:
    found = jit(lambda i: getitem(TABLE, (slice(None), slice(i, i + 2))))(ONE)
    np.testing.assert_array_equal(found, TABLE[:, 1:3])


def test_a_mask_with_values() -> None:
    """In a concrete trace its values are there; in a program the result would have no shape."""
    for run in (lambda m: getitem(TABLE, m), lambda m: (m * 1 + TABLE)[m]):
        found = _with_values(run)(TABLE > 4)
        np.testing.assert_array_equal(found, TABLE[TABLE > 4] + (found[0] - 5))
    with pytest.raises(TracingError, match="cannot be indexed with a traced boolean mask"):
        jit(lambda m: getitem(TABLE, m))(TABLE > 4)


def test_out_of_bounds() -> None:
    for run, axis in ((jit, "an axis of"), (_with_values, "axis 1 with")):
        with pytest.raises(
            IndexError, match=rf"index 3 is out of bounds for {axis} size 3, at position \(1,\)"
        ):
            run(lambda i: getitem(TABLE, (slice(None), i)))(np.array([0, 3]))


@pytest.mark.parametrize(
    "function",
    [lambda i: TABLE[i], lambda i: TABLE[None, i], lambda i: TABLE[:, i], lambda i: [1, 2][i]],
)
def test_the_users_own_array_says_how(function: Callable[..., Any]) -> None:
    with pytest.raises(TracingError) as caught:
        jit(function)(ONE)
    text = str(caught.value)
    assert "`keras.ops.take(table, i, axis=0)`, or `keras.ops.convert_to_tensor(table)[i]`" in text
    assert "test_constant_indexing.py" in text
    with GradientTape():
        np.testing.assert_array_equal(_with_values(function)(ONE), function(1))


def test_choice() -> None:
    """NumPy holds probabilities in an array to its own precision, and in what is none to double precision."""
    state = np.random.get_state()
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(100, 3)).astype(np.float32)

    def draw(x: Any) -> Any:
        e = np.exp(x)
        return np.random.choice(3, p=e / np.sum(e))

    np.random.seed(0)
    expected = [draw(x) for x in logits]
    np.random.seed(0)
    assert [int(_with_values(draw)(x)) for x in logits] == expected
    np.random.set_state(state)
    with pytest.raises(
        TracingError, match=r"(?s)`np.random.choice` was called.*categorical.*test_constant_ind"
    ):
        jit(draw)(logits[0])
    assert np.random.choice.__name__ == "choice" and "p : 1-D array-like" in (np.random.choice.__doc__ or "")
