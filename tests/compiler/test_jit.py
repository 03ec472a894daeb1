"""`jit`: what is an input, what a constant, what is state; when it traces anew."""

from __future__ import annotations

import gc
import weakref

import kerasflow  # isort: skip  (before Keras)
import keras
import numpy as np
import pytest
from keras import ops

from kerasflow import jit
from kerasflow._settings import settings
from kerasflow.errors import KerasflowError, TracingError

X = np.arange(6.0).reshape(2, 3)


class Counting:
    """A function that counts how often it is traced."""

    def __init__(self, function):
        self.function = function
        self.traces = 0

    def __call__(self, *args, **kwargs):
        self.traces += 1
        return self.function(*args, **kwargs)


def test_one_trace_for_each_shape_and_dtype():
    traced = Counting(lambda x: np.tanh(x) * 2)
    function = jit(traced)
    for x in (X, X + 1, X[:1], X.astype(np.float32), X):
        found = function(x)
        np.testing.assert_allclose(found, np.tanh(x) * 2, rtol=1e-6)
        assert found.dtype == x.dtype
        assert type(found) is np.ndarray
    assert traced.traces == 3


def test_python_values_are_constants():
    traced = Counting(lambda x, factor, negate=False: -x * factor if negate else x * factor)
    function = jit(traced)
    for arguments, keywords, expected in [
        ((X, 2), {}, 2 * X),
        ((X, 2), {}, 2 * X),
        ((X, 3), {}, 3 * X),
        ((X, 2), {"negate": True}, -2 * X),
        ((X,), {"factor": 2}, 2 * X),
    ]:
        np.testing.assert_array_equal(function(*arguments, **keywords), expected)
    assert traced.traces == 4


def test_equal_numbers_of_different_types_are_different_constants():
    function = jit(lambda x, n: x + n)
    integers = np.arange(3)
    for n in (1, 1.0, True, np.float32(1)):
        assert function(integers, n).dtype == (integers + n).dtype


def test_structures_in_and_out():
    function = jit(
        lambda data, pair: {"sum": data["a"] + pair[0], "pair": (pair[1], [data["b"] * 2, None, "text", 3])}
    )
    found = function({"a": X, "b": X + 1}, (X, X.T))
    np.testing.assert_array_equal(found["sum"], 2 * X)
    np.testing.assert_array_equal(found["pair"][0], X.T)
    np.testing.assert_array_equal(found["pair"][1][0], 2 * X + 2)
    assert found["pair"][1][1:] == [None, "text", 3]


def test_results_are_the_callers_own():
    constant = np.ones(3)
    function = jit(lambda x: (x, x[0], constant, np.zeros(2), x + 0))
    first = function(X)
    kept = [a.copy() for a in first]
    for a in first:
        a += 5
    np.testing.assert_array_equal(constant, 1)
    np.testing.assert_array_equal(X, np.arange(6.0).reshape(2, 3))
    for a, b in zip(function(X), kept, strict=True):
        np.testing.assert_array_equal(a, b)


def test_variables_are_state():
    total, calls = keras.Variable(np.zeros(3), dtype="float64"), keras.Variable(0, dtype="int32")

    @jit
    def add(x):
        calls.assign_add(1)
        total.assign(total + np.sum(x, axis=0))
        return total / ops.cast(calls, "float64")

    np.testing.assert_array_equal(add(X), X.sum(0))
    np.testing.assert_array_equal(add(X), X.sum(0))
    total.assign([1.0, 1.0, 1.0])
    np.testing.assert_array_equal(add(X), (1 + X.sum(0)) / 3)
    assert int(calls.numpy()) == 3


def test_a_variable_as_an_argument_is_the_variable():
    traced = Counting(lambda v, x: v.assign(v + x))
    function = jit(traced)
    first, second = keras.Variable(1.0), keras.Variable(10.0)
    for v, expected in ((first, 3.0), (second, 12.0), (first, 5.0)):
        assert function(v, np.float32(2)) == expected
        assert v.numpy() == expected
    assert traced.traces == 2


def test_inside_another_trace_it_is_part_of_it():
    inner = Counting(lambda x: x * 2)
    compiled = jit(inner)
    outer = jit(lambda x: compiled(x) + compiled(x + 1))
    np.testing.assert_array_equal(outer(X), 4 * X + 2)
    assert inner.traces == 2
    assert not compiled.entries


def test_a_failed_trace_leaves_nothing_behind():
    variable = keras.Variable(1.0)

    @jit
    def function(x, fail):
        variable.assign(5.0)
        if fail:
            return float(x[0, 0])
        return x

    with pytest.raises(TracingError):
        function(X, True)
    assert variable.numpy() == 1.0
    assert kerasflow.tracing.current_trace() is None
    function(X, False)
    assert variable.numpy() == 5.0


def test_it_keeps_the_functions_name():
    def named(x):
        """What it does."""

    assert jit(named).__name__ == "named"
    assert jit(named).__doc__ == "What it does."


def test_every_error_is_one_of_ours():
    with pytest.raises(KerasflowError):
        jit(lambda x: np.unwrap(x[0]))(X)


def test_the_programs_that_were_used_longest_ago_go(monkeypatch):
    monkeypatch.setattr(settings, "programs", 3)
    traced = Counting(lambda x: x + 1)
    function = jit(traced)

    def run(n):
        np.testing.assert_array_equal(function(np.zeros(n)), np.ones(n))

    for n in (1, 2, 3):
        run(n)
    programs = {
        entry.graph.inputs[0].aval.shape[0]: weakref.ref(entry.program) for entry in function.entries.values()
    }
    run(1)
    run(4)
    gc.collect()
    assert traced.traces == 4
    assert [n for n, program in programs.items() if program() is None] == [2]
    for n in (1, 3, 4):
        run(n)
    assert traced.traces == 4
    run(2)
    assert traced.traces == 5 and len(function.entries) == 3


def test_a_bound_that_was_lowered_holds_from_the_next_program_on(monkeypatch):
    function = jit(lambda x: x + 1)
    for n in range(6):
        function(np.zeros(n))
    monkeypatch.setattr(settings, "programs", 2)
    function(np.zeros(9))
    assert [entry.graph.inputs[0].aval.shape for entry in function.entries.values()] == [(5,), (9,)]
