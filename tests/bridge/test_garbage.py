"""What is computed eagerly goes as soon as nobody has it, not when Python looks for cycles."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import nullcontext

import numpy as np
import pytest
from op_calls import CALLS, is_there
from test_every_op import call, in_float32, used

import kerasflow
from kerasflow.graph import Node, Value

import keras  # isort: skip
from keras import layers, ops  # isort: skip


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """Nothing is collected but by the test."""
    gc.collect()
    gc.freeze()  # What is there already is not looked through each time.
    gc.disable()
    yield
    gc.enable()
    gc.unfreeze()


def left() -> list[str]:
    """What is held by cycles alone: arrays, and what holds them. It is gone then."""
    gc.set_debug(gc.DEBUG_SAVEALL)
    gc.collect()
    gc.set_debug(0)
    found = [repr(getattr(x, "primitive", x)) for x in gc.garbage if isinstance(x, (np.ndarray, Node, Value))]
    gc.garbage.clear()
    gc.collect()
    return found


@pytest.mark.parametrize("recorded", [False, True])
def test_operations_leave_nothing_behind(recorded: bool) -> None:
    """Called twice: what the first call makes may be kept for the second."""
    leaving = {}
    for expression in filter(is_there, CALLS):
        arrays = {name: in_float32(x) for name, x in used(expression).items()}
        function = call(expression.lstrip("~"), list(arrays))
        for _ in range(2):
            left()
            with np.errstate(all="ignore"), kerasflow.GradientTape() if recorded else nullcontext() as tape:
                if recorded:
                    tape.watch(list(arrays.values()))
                function(*arrays.values())
            del tape
        if found := left():
            leaving[expression] = found
    assert not leaving


@pytest.mark.parametrize("recorded", [False, True])
def test_models_leave_nothing_behind(recorded: bool) -> None:
    model = keras.Sequential(
        [
            keras.Input((8, 8, 2)),
            layers.Conv2D(3, 3, activation="gelu"),
            layers.BatchNormalization(),
            layers.MaxPooling2D(),
            layers.Reshape((9, 3)),
            layers.LSTM(4, return_sequences=True),
            layers.Dense(2),
        ]
    )
    x = np.ones((2, 8, 8, 2), np.float32)
    for _ in range(2):
        left()
        if recorded:
            with kerasflow.GradientTape() as tape:
                loss = ops.mean(model(x, training=True) ** 2)
            tape.gradient(loss, model.trainable_variables)
            del tape, loss
        else:
            model(x)
    assert not left()
