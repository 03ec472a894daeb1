"""Several threads at once: each gets right results, and none disturbs another."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event

import kerasflow  # isort: skip  (before Keras)
import keras
import numpy as np
import pytest
from keras import layers

from kerasflow.tracing import Cell, acquire, release

X = np.random.default_rng(0).normal(size=(64, 6)).astype("float32")
Y = X[:, :1] ** 2


def make(seed, units=32):
    keras.utils.set_random_seed(seed)
    model = keras.Sequential([layers.Input((6,)), layers.Dense(units, "relu"), layers.Dense(1)])
    model.compile("adam", "mse")
    return model


def together(*tasks):
    """Run the tasks in threads that begin at the same time; their results."""
    barrier = Barrier(len(tasks))

    def run(task):
        barrier.wait()
        return task()

    with ThreadPoolExecutor(len(tasks)) as pool:
        return [future.result(timeout=60) for future in [pool.submit(run, task) for task in tasks]]


@pytest.mark.parametrize("units", [32, 6000])
def test_predict_from_eight_threads_while_another_model_trains(units):
    model, other = make(0, units), make(1, units)
    parts = [X * (i + 1) for i in range(8)]
    expected = [make(0, units).predict(part, verbose=0, batch_size=16) for part in parts]

    def predict(part):
        return lambda: [model.predict(part, verbose=0, batch_size=16) for _ in range(10)]

    alone = make(1, units).fit(X, Y, epochs=10, verbose=0, shuffle=False).history
    *found, history = together(
        *map(predict, parts), lambda: other.fit(X, Y, epochs=10, verbose=0, shuffle=False).history
    )
    assert history == alone
    for results, right in zip(found, expected, strict=True):
        for result in results:
            np.testing.assert_array_equal(result, right)


def test_a_model_predicts_while_it_trains():
    """Each prediction is one of a whole number of steps, never of half an update."""
    steps = 60
    reference = make(0)
    states = [reference.predict_on_batch(X)]
    for _ in range(steps):
        reference.train_on_batch(X, Y)
        states.append(reference.predict_on_batch(X))
    model = make(0)
    model.predict_on_batch(X)
    done = Event()

    def train():
        for _ in range(steps):
            model.train_on_batch(X, Y)
        done.set()

    def watch():
        seen = []
        while not done.is_set():
            seen.append(model.predict_on_batch(X))
        return seen

    def hold():
        held = []
        while not done.is_set():
            kernel = model.layers[0].kernel.value
            held.append((kernel, kernel.copy()))
        return held

    _, seen, held = together(train, watch, hold)
    known = {state.tobytes() for state in states}
    assert all(result.tobytes() in known for result in seen)
    for kernel, copy in held:
        np.testing.assert_array_equal(kernel, copy)
    np.testing.assert_array_equal(model.predict_on_batch(X), states[-1])


def test_updates_from_several_threads_are_not_lost():
    counter = keras.Variable(0, dtype="int32")
    count = kerasflow.jit(lambda: counter.assign_add(1))
    count()
    together(*[lambda: [count() for _ in range(50)]] * 4)
    assert int(counter.numpy()) == 201


def test_tapes_and_backends_belong_to_their_thread():
    def gradient(factor):
        def run():
            with kerasflow.use_backend("numpy"):
                for _ in range(20):
                    with kerasflow.GradientTape() as tape:
                        x = tape.watch(np.full(3, factor))
                        y = np.sum(x**2)
                    found = tape.gradient(y, x)
            return found

        return run

    for factor, found in enumerate(together(*map(gradient, (0.0, 1.0, 2.0)))):
        np.testing.assert_array_equal(found, 2.0 * factor)


class Plain:
    """A backend whose buffers are arrays."""

    from_host = staticmethod(np.array)
    to_host = staticmethod(lambda buffer: buffer)


def test_a_writer_copies_what_a_running_reader_holds():
    cell, backend = Cell(np.zeros(2)), Plain()
    (read,) = together(lambda: acquire([cell], [False], backend))
    (mine,) = acquire([cell], [True], backend)
    assert mine is not read[0]
    mine[...] = 1
    release([cell], [mine], [mine])
    (again,) = acquire([cell], [False], backend)
    assert again is mine
    release([cell], [again], [again])
    np.testing.assert_array_equal(read[0], 0)


def test_an_array_from_outside_waits_for_the_program():
    cell, backend = Cell(np.zeros(2)), Plain()
    (mine,) = acquire([cell], [True], backend)
    with ThreadPoolExecutor(2) as pool:
        reading = pool.submit(cell.read)
        writing = pool.submit(cell.write, np.full(2, 5.0))
        assert not reading.done()
        mine[...] = 1
        release([cell], [mine], [mine])
        assert reading.result(timeout=10)[0] in (1.0, 5.0)
        writing.result(timeout=10)
    np.testing.assert_array_equal(cell.read(), 5.0)
