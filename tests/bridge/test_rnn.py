"""The general recurrence, step by step."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from kerasflow.bridge import rnn as module
from kerasflow.bridge.rnn import rnn

X = np.random.default_rng(0).normal(size=(2, 4, 3))
START = np.zeros((2, 3))
MASK = np.array([[True, True, False, True], [False, True, True, False]])


def step(x: Any, states: Any) -> tuple[Any, list[Any]]:
    state = states[0] * 0.5 + x
    return state * 2, [state]


def reference(x: Any, mask: Any = None, zero: bool = False) -> tuple[Any, Any]:
    states, outputs = START.copy(), np.zeros_like(x)
    last = np.zeros_like(START)
    for t in range(x.shape[1]):
        state = states * 0.5 + x[:, t]
        keep = np.ones((2, 1), bool) if mask is None else mask[:, t, None]
        last = np.where(keep, state * 2, 0 if zero else last)
        states = np.where(keep, state, states)
        outputs[:, t] = last
    return outputs, states


@pytest.mark.parametrize("mask", [None, MASK])
@pytest.mark.parametrize("zero", [False, True])
def test_steps(mask: Any, zero: bool, assert_traces: Any, assert_gradients: Any) -> None:
    def run(x: Any, start: Any) -> Any:
        return rnn(step, x, [start], mask=mask, zero_output_for_mask=zero)

    last, outputs, states = assert_traces(run, X, START)
    expected, state = reference(X, mask, zero)
    np.testing.assert_allclose(outputs, expected)
    np.testing.assert_allclose(last, expected[:, -1])
    np.testing.assert_allclose(states[0], state)
    assert_gradients(lambda x, s: run(x, s)[1] ** 2, X, START)


def test_options() -> None:
    outputs = rnn(step, X, [START])[1]
    backwards = rnn(step, X[:, ::-1], [START], go_backwards=True)[1]
    np.testing.assert_array_equal(backwards, outputs)
    major = rnn(step, np.swapaxes(X, 0, 1), [START], time_major=True)[1]
    np.testing.assert_array_equal(np.swapaxes(major, 0, 1), outputs)
    last, only, _ = rnn(step, X, [START], return_all_outputs=False)
    np.testing.assert_array_equal(only, outputs[:, -1:])
    np.testing.assert_array_equal(last, outputs[:, -1])
    masked = rnn(step, X, [START], mask=MASK)[1]
    np.testing.assert_array_equal(rnn(step, X, [START], mask=MASK[..., None])[1], masked)


def test_nested_inputs_and_constants() -> None:
    def add(inputs: Any, states: Any) -> Any:
        state, constant = states
        total = state + inputs["a"] + inputs["b"] * constant
        return {"y": total}, [total]

    last, outputs, _ = rnn(add, {"a": X, "b": X}, [START], constants=[np.float64(2)])
    np.testing.assert_allclose(outputs["y"], np.cumsum(3 * X, axis=1))
    np.testing.assert_array_equal(last["y"], outputs["y"][:, -1])


def test_what_there_is_not() -> None:
    with pytest.raises(ValueError, match="at least one time step"):
        rnn(step, X[:, :0], [START])
    for name in ("lstm", "gru", "bidirectional_lstm", "bidirectional_gru"):
        with pytest.raises(NotImplementedError):
            getattr(module, name)()
    assert not module.cudnn_ok()
