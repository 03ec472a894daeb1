"""Interrupts and forks at any moment: a step has happened or has not, and nobody waits for what is gone."""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import kerasflow  # isort: skip  (before Keras)
import keras
import numpy as np
import pytest
from graphs import installed_backends
from imported import imported
from keras.src.backend.common import global_state

from kerasflow.compiler.interrupts import undisturbed
from kerasflow.tracing import Cell
from kerasflow.tracing.state import acquire

L = keras.layers

X = np.random.default_rng(0).standard_normal((8, 6)).astype("float32")
Y = X[:, :1]


class OwnStep(keras.Model):
    """A training step of one's own, which assigns a variable before and one behind the rest."""

    def __init__(self) -> None:
        super().__init__()
        self.dense, self.dropout = L.Dense(4, "tanh"), L.Dropout(0.5, seed=1)
        self.head = L.Dense(1)
        self.begun = self.add_weight(shape=(), initializer="zeros", trainable=False)
        self.ended = self.add_weight(shape=(), initializer="zeros", trainable=False)

    def call(self, x: Any, training: bool = False) -> Any:
        return self.head(self.dropout(self.dense(x), training=training))

    def train_step(self, data: Any) -> Any:
        self.begun.assign_add(1.0)
        logs = super().train_step(data)
        self.ended.assign_add(1.0)
        return logs


def plain() -> Any:
    return keras.Sequential([keras.Input((6,)), L.Dense(4, "relu"), L.Dropout(0.5, seed=1), L.Dense(1)])


MAKE: dict[str, Callable[[], Any]] = {"plain": plain, "own step": OwnStep}


def variables(model: Any) -> list[Any]:
    return [*model.variables, *model.optimizer.variables, *model.metrics_variables]


def contents(model: Any) -> list[np.ndarray]:
    return [np.array(v.numpy()) for v in variables(model)]


def same(found: list[np.ndarray], expected: list[np.ndarray]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))


@contextmanager
def interrupted_at(moment: int) -> Iterator[list[int]]:
    """SIGINT at the begin of the so manieth call of a function in the block; counts them.

    There Python looks for signals. (Between two lines it need not: not at the end of a `with`, say.)
    """
    count = [0]

    def look(frame: Any, event: str, argument: Any) -> None:
        count[0] += 1
        if count[0] == moment:
            signal.raise_signal(signal.SIGINT)

    before = sys.gettrace()
    sys.settrace(look)
    try:
        yield count
    finally:
        sys.settrace(before)


@pytest.mark.skipif(sys.platform == "win32", reason="SIGINT cannot be raised here")
@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # an interrupt in a generator's end
@pytest.mark.parametrize("kind", MAKE)
@pytest.mark.parametrize(
    ("backend", "eagerly"),
    [
        *((name, False) for name in installed_backends()),
        ("numpy", True),
    ],  # Without a program all run on NumPy.
)
def test_a_step_happens_or_does_not(backend: str, kind: str, eagerly: bool) -> None:
    keras.utils.set_random_seed(0)
    model = MAKE[kind]()
    model.compile("adam", "mse", metrics=["mae"], run_eagerly=eagerly)
    with kerasflow.use_backend(backend):
        for _ in range(2):
            model.train_on_batch(X, Y)
        before = contents(model)
        with interrupted_at(-1) as count:
            model.train_on_batch(X, Y)
        after = contents(model)
        assert not same(before, after)
        seen = set()
        chosen = random.Random(0).sample(range(1, count[0]), 40)
        for moment in (1, 20, *chosen, count[0] + 1000):  # the last one never comes
            for variable, array in zip(variables(model), before, strict=True):
                variable.assign(array)
            try:
                with interrupted_at(moment):
                    model.train_on_batch(X, Y)
            except KeyboardInterrupt:
                pass
            assert not global_state.get_global_attribute("name_scope_stack")
            found = contents(model)
            assert same(found, before) or same(found, after)
            seen.add(same(found, after))
        assert seen == {False, True}
        other = threading.Thread(target=model.train_on_batch, args=(X, Y), daemon=True)
        other.start()
        other.join(60)
        assert not other.is_alive()


@pytest.mark.skipif(sys.platform == "win32", reason="SIGINT cannot be raised here")
def test_an_exported_step_happens_or_does_not(tmp_path: Path) -> None:
    model = plain()
    model.compile("adam", "mse", metrics=["mae"])
    path = kerasflow.export_numpy(model, tmp_path / "steps.py", training=(X, Y))
    exported = imported(path)
    before = dict(exported.state)
    with interrupted_at(-1) as count:
        exported.train_step(X, Y)
    after = {name: np.array(array) for name, array in exported.state.items()}
    for moment in range(1, count[0] + 1, max(1, count[0] // 60)):
        exported.state.update(before)
        try:
            with interrupted_at(moment):
                exported.train_step(X, Y)
        except KeyboardInterrupt:
            pass
        changed = {name for name in before if exported.state[name] is not before[name]}
        assert not changed or same(list(exported.state.values()), list(after.values()))


def test_handlers_run_at_once_and_stay() -> None:
    """What they raise waits; a second exception does not."""
    seen: list[str] = []

    def handler(number: int, frame: Any) -> None:
        seen.append("handler")
        if len(seen) != 2:
            raise KeyError(len(seen))

    previous = signal.signal(signal.SIGTERM, handler)
    try:

        def once() -> str:
            signal.raise_signal(signal.SIGTERM)
            seen.append("end")
            return "result"

        with pytest.raises(KeyError, match="1"):
            undisturbed(once)
        assert seen == ["handler", "end"]
        assert signal.getsignal(signal.SIGTERM) is handler

        def twice() -> None:
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGTERM)
            seen.append("not reached")

        with pytest.raises(KeyError):
            undisturbed(twice)
        assert "not reached" not in seen
        assert signal.getsignal(signal.SIGTERM) is handler
        signal.signal(signal.SIGTERM, lambda *_: seen.append("quiet"))
        assert undisturbed(lambda: signal.raise_signal(signal.SIGTERM) or "result") == "result"
        assert seen[-1] == "quiet"
    finally:
        signal.signal(signal.SIGTERM, previous)
    assert undisturbed(undisturbed, lambda: 3) == 3


def test_where_another_thread_handles_signals(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(number: int, handler: Any) -> None:
        raise ValueError("signal only works in main thread of the main interpreter")

    monkeypatch.setattr("kerasflow.compiler.interrupts._install", refuse)
    assert undisturbed(lambda: 3) == 3


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="the system has no timers")
def test_a_program_that_never_ends_is_stopped_by_two_interrupts() -> None:
    v = keras.Variable(0.0)

    @kerasflow.jit
    def endless(x: Any) -> Any:
        v.assign(keras.ops.while_loop(lambda i: i > -1, lambda i: (i + 1,), (x,))[0])
        return x

    previous = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.3, 0.3)
        with pytest.raises(KeyboardInterrupt):
            endless(np.float32(0.0) + np.zeros((), "float32"))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


def test_cells_are_given_back_if_one_cannot_be_had() -> None:
    class Full:
        def from_host(self, array: Any) -> Any:
            if array.size > 1:
                raise MemoryError
            return np.array(array)

        def to_host(self, buffer: Any) -> Any:
            return buffer

    cells = [Cell(np.zeros(1)), Cell(np.zeros(2))]
    with pytest.raises(MemoryError):
        acquire(cells, [True, True], Full())
    done = threading.Thread(target=lambda: cells[0].read(), daemon=True)
    done.start()
    done.join(10)
    assert not done.is_alive()


# -- forks ----------------------------------------------------------------------------------------------------


class Counting(keras.Model):
    """Counts its steps in two variables."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = L.Dense(300, "tanh")
        self.head = L.Dense(1)
        self.first = self.add_weight(shape=(), initializer="zeros", trainable=False)
        self.second = self.add_weight(shape=(5000,), initializer="zeros", trainable=False)

    def call(self, x: Any) -> Any:
        return self.head(self.dense(x))

    def train_step(self, data: Any) -> Any:
        self.first.assign_add(1.0)
        logs = super().train_step(data)
        self.second.assign_add(keras.ops.ones((5000,)))
        return logs


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system cannot copy a process")
@pytest.mark.filterwarnings("ignore:.*fork")
def test_a_forked_process_reads_predicts_and_trains() -> None:
    """Forked while another thread trains, predicts and compiles: it has the state between two steps."""
    model, other = Counting(), plain()
    for one in (model, other):
        one.compile("adam", "mse")
        one.train_on_batch(X, Y)
    stop = threading.Event()

    def busy() -> None:
        for n in range(1, 10_000):
            if stop.is_set():
                return
            model.train_on_batch(X, Y)
            other.predict_on_batch(np.repeat(X, n % 50 + 1, axis=0))

    def child() -> int:
        signal.alarm(60)
        first, second = model.first.numpy(), model.second.numpy()
        if (second != first).any():
            return 1
        model.predict(X, verbose=0)
        model.train_on_batch(X, Y)
        other.train_on_batch(X, Y)
        other.predict_on_batch(np.repeat(X, 60, axis=0))
        return 0 if model.first.numpy() == first + 1 == model.second.numpy()[-1] else 2

    thread = threading.Thread(target=busy, daemon=True)
    thread.start()
    try:
        for _ in range(12):
            time.sleep(random.Random(0).random() / 50)
            process = os.fork()
            if process == 0:
                code = 3
                try:
                    code = child()
                finally:
                    os._exit(code)
            _, status = os.waitpid(process, 0)
            assert os.waitstatus_to_exitcode(status) == 0
    finally:
        stop.set()
        thread.join(60)
    assert not thread.is_alive()


class Interrupted(keras.optimizers.SGD):
    """Somebody presses Ctrl-C between two variables, once."""

    pressed = False

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        super().update_step(gradient, variable, learning_rate)
        if not self.pressed:
            self.pressed = True
            signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("scaled", [False, True])
def test_a_loop_of_ones_own_takes_whole_steps(scaled: bool) -> None:
    model, optimizer = plain(), Interrupted(0.1)
    optimizer.build(model.trainable_variables)
    if scaled:
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    before = [v.numpy() for v in model.trainable_variables]
    gradients = [keras.ops.ones_like(v) for v in model.trainable_variables]
    with pytest.raises(KeyboardInterrupt):
        optimizer.apply(gradients, model.trainable_variables)
    assert not any(np.array_equal(v, b) for v, b in zip(model.trainable_variables, before, strict=True))
    optimizer.apply(gradients)
    assert int(optimizer.iterations) == 2
