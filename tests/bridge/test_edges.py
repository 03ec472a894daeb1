"""What is out of bounds is the same error eagerly, compiled and on each backend, and names the layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import kerasflow  # isort: skip  (before Keras)
import keras
import numpy as np
import pytest
from at_hand import BACKENDS
from keras import ops

from kerasflow.graph import locate

X = np.array([[3, 1, 2], [1, 2, 3]], np.float32)
ONES = np.ones((2, 2), np.float32)
ZEROS = np.zeros((2, 2), np.float32)

# Functions of an array and of indices, the two, and what is raised (with a part of the message) or the result.
Case = tuple[Callable[[Any, Any], Any], Any, Any, Any]
CASES: dict[str, Case] = {
    "take above": (lambda a, i: ops.take(a, i, axis=1), X, [0, 5], (IndexError, "index 5 is out of bounds")),
    "take below": (lambda a, i: ops.take(a, i, axis=1), X, [0, -4], (IndexError, "index -4 is out of bounds")),
    "take from the end": (lambda a, i: ops.take(a, i, axis=1), X, [0, -1], [[3, 2], [1, 3]]),
    "take rows below": (lambda a, i: ops.take(a, i, axis=0), X, [-3], (IndexError, "index -3 is out of bounds")),
    "take along": (
        lambda a, i: ops.take_along_axis(a, i, axis=1), X, [[0, 1, 3], [0, 0, 0]], (IndexError, "index 3 is out of")
    ),
    "take along below": (
        lambda a, i: ops.take_along_axis(a, i, axis=1), X, [[0, 1, -4], [0, 0, 0]], (IndexError, "index -4 is out of")
    ),
    "take, position": (
        lambda a, i: ops.take(a, i, axis=1), X, [[0, 1], [7, -9]],
        (IndexError, "index 7 is out of bounds for axis 1 with size 3, at position (1, 0) of the indices"),
    ),
    "take of all, position": (
        lambda a, i: ops.take(a, i), X, [[0, 1], [2, -7]],
        (IndexError, "index -7 is out of bounds for axis 0 with size 6, at position (1, 1) of the indices"),
    ),
    "take along, position": (
        lambda a, i: ops.take_along_axis(a, i, axis=-1), X, [[0, 1, 0], [0, 4, 0]],
        (IndexError, "index 4 is out of bounds for axis 1 with size 3, at position (1, 1) of the indices"),
    ),
    "scatter, position": (
        lambda a, i: ops.scatter_update(a, i, ONES[0]), X, [[1, 0], [0, 5]],
        (IndexError, "index 5 is out of bounds for axis 1 with size 3, at position (1,) of the indices"),
    ),
    "a row": (lambda a, i: a[i], X, 2, (IndexError, "index 2 is out of bounds for axis 0 with size 2")),
    "a row below": (lambda a, i: a[i], X, -3, (IndexError, "index -3 is out of bounds for axis 0 with size 2")),
    "the last row": (lambda a, i: a[i], X, -1, [1, 2, 3]),
    "slice": (lambda a, i: ops.slice(a, (0, i), (2, 1)), X, 2, [[2], [3]]),
    "slice from the end": (lambda a, i: ops.slice(a, (0, i), (2, 2)), X, -2, [[1, 2], [2, 3]]),
    "slice above": (lambda a, i: ops.slice(a, (0, i), (2, 1)), X, 7, (IndexError, "index 7 is out of bounds")),
    "slice below": (lambda a, i: ops.slice(a, (0, i), (2, 1)), X, -9, (IndexError, "index -9 is out of bounds")),
    "slice over the end": (lambda a, i: ops.slice(a, (0, i), (2, 2)), X, -1, (IndexError, "index 3 is out of bounds")),
    "slice, known": (lambda a, i: ops.slice(a, (0, 2), (2, 3)), X, 0, (IndexError, "index 3 is out of bounds")),
    "slice, negative": (lambda a, i: ops.slice(a, (0, i), (2, -1)), X, 0, (ValueError, "no negative sizes")),
    "update": (lambda a, i: ops.slice_update(a, (0, i), ONES), X, -2, [[3, 1, 1], [1, 1, 1]]),
    "update above": (lambda a, i: ops.slice_update(a, (0, i), ONES), X, 2, (IndexError, "index 3 is out of bounds")),
    "update below": (lambda a, i: ops.slice_update(a, (0, i), ONES), X, -4, (IndexError, "index -4 is out of bounds")),
    "scatter": (lambda a, i: ops.scatter(i, a[0], (3,)), X, [[0], [1], [3]], (IndexError, "index 3 is out of bounds")),
    "scatter below": (
        lambda a, i: ops.scatter_update(a, i, ONES[0, :1]), X, [[-3, 0]], (IndexError, "index -3 is out of bounds")
    ),
    "top_k": (lambda a, i: ops.top_k(a, 2)[0], X, 0, [[3, 2], [3, 2]]),
    "top_k of none": (lambda a, i: ops.top_k(a, 0)[0], X, 0, [[], []]),
    "top_k of more": (lambda a, i: ops.top_k(a, 5)[0], X, 0, (ValueError, "received k=5, x of shape (2, 3)")),
    "top_k of a negative number": (lambda a, i: ops.top_k(a, -1)[0], X, 0, (ValueError, "received k=-1")),
    "top_k of a number": (lambda a, i: ops.top_k(a[0, 0], 1)[0], X, 0, (ValueError, "needs an axis")),
    "in_top_k": (lambda a, i: ops.in_top_k(i, a, 2), X, [0, 3], (IndexError, "index 3 is out of bounds")),
    "quantile": (lambda a, i: ops.quantile(a, 1.5), X, 0, (ValueError, "Quantiles must be in the range [0, 1]")),
    "inverse": (lambda a, i: ops.inv(a), ZEROS, 0, (np.linalg.LinAlgError, "Singular matrix")),
    "solve": (lambda a, i: ops.solve(a, a), ZEROS, 0, (np.linalg.LinAlgError, "Singular matrix")),
    "cholesky": (lambda a, i: ops.cholesky(a), -ONES, 0, (ValueError, "not positive definite")),
    "one_hot": (lambda a, i: ops.one_hot(i, 2), X, [0, 2, -1], [[1, 0], [0, 0], [0, 0]]),
    "segment_sum": (lambda a, i: ops.segment_sum(a, i, num_segments=2), X, [1, 5], [[0, 0, 0], [3, 1, 2]]),
}  # fmt: skip


def _ways(function: Callable[..., Any]) -> dict[str, Callable[..., Any]]:
    def on(backend: str) -> Callable[..., Any]:
        compiled = kerasflow.jit(function)

        def run(*arrays: Any) -> Any:
            with kerasflow.use_backend(backend):
                return compiled(*arrays)

        return run

    return {"eagerly": function, **{backend: on(backend) for backend in BACKENDS}}


@pytest.mark.parametrize("name", CASES)
def test_the_same_everywhere(name: str) -> None:
    function, array, indices, expected = CASES[name]
    for way, run in _ways(function).items():
        if isinstance(expected, tuple):
            kind, text = expected
            with pytest.raises(kind) as caught:
                run(array, np.array(indices))
            assert text in str(caught.value), way
        else:
            np.testing.assert_array_equal(run(array, np.array(indices)), np.array(expected), err_msg=way)


def _reader() -> Any:
    model = keras.Sequential(
        [
            keras.Input((2,), dtype="int32"),
            keras.layers.Embedding(4, 2, name="words"),
            keras.layers.Flatten(),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(1),
        ],
        name="reader",
    )
    model.compile("adam", "mse", metrics=["mae"])
    return model


GOOD, BAD, Y = np.array([[0, 3]]), np.array([[0, 9]]), np.ones((1, 1))
CALLS = {
    "call": lambda model: model(BAD),
    "fit": lambda model: model.fit(BAD, Y, verbose=0),
    "train_on_batch": lambda model: model.train_on_batch(BAD, Y),
    "evaluate": lambda model: model.evaluate(BAD, Y, verbose=0),
    "predict": lambda model: model.predict(BAD, verbose=0),
}


@pytest.mark.parametrize("eagerly", [False, True], ids=["compiled", "eagerly"])
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("call", CALLS)
def test_an_index_past_an_embedding_names_the_layer(call: str, backend: str, eagerly: bool) -> None:
    with kerasflow.use_backend(backend):
        model = _reader()
        model.fit(GOOD, Y, verbose=0)
        model.run_eagerly = eagerly
        before = [v.numpy() for v in model.weights]
        outside = r"index 9 is out of bounds for axis 0 with size 4, at position \(0, 1\) of the indices"
        with pytest.raises(IndexError, match=outside) as caught:
            CALLS[call](model)
        text = "\n".join([str(caught.value), *getattr(caught.value, "__notes__", ())])
        assert text.count("in reader/words") == 1
        for variable, value in zip(model.weights, before, strict=True):
            np.testing.assert_array_equal(variable.numpy(), value)
        model.fit(GOOD, Y, verbose=0)


@pytest.mark.parametrize(
    ("key", "axis"),
    [
        (lambda i: i, 0),
        (lambda i: (slice(None), i), 1),
        (lambda i: (0, i), 1),
        (lambda i: (slice(None), slice(None), i), 2),
    ],
)
def test_arrays_of_indices_say_the_axis_and_the_position(key: Callable[[Any], Any], axis: int) -> None:
    """Of traced arrays, whether the indices are known or not, and with their values."""
    array, indices = np.zeros((3, 3, 3)), np.array([[0, 1], [5, 2]])
    text = rf"index 5 is out of bounds for axis {axis} with size 3, at position \(1, 0\) of the indices"

    def recorded() -> Any:
        with kerasflow.GradientTape():
            return (keras.Variable(array) * 1)[key(keras.Variable(indices, dtype="int64") + 0)]

    for run in (
        lambda: kerasflow.jit(lambda x, i: x[key(i)])(array, indices),
        lambda: kerasflow.jit(lambda x: x[key(indices)])(array),
        recorded,
    ):
        with pytest.raises(IndexError, match=text):
            run()


def test_the_index_of_a_body() -> None:
    """In a loop, with its layer's name once."""
    model = keras.Sequential([keras.Input((3, 2)), keras.layers.RNN(_Looks(), name="looking")], name="m")
    for way in ("compiled", "eager"):
        with pytest.raises(IndexError, match="index 7 is out of bounds") as caught:
            model.predict(np.full((1, 3, 2), 7.0), verbose=0) if way == "compiled" else model(
                np.full((1, 3, 2), 7.0)
            )
        assert str(caught.value).count("in m/looking") == 1


class _Looks(keras.layers.Layer):
    state_size = output_size = 2

    def call(self, x: Any, states: Any) -> Any:
        found = ops.take(np.eye(2, dtype=np.float32), ops.cast(x[:, 0], "int32"), axis=0)
        return found + states[0], [found]


class _Top(keras.layers.Layer):
    def call(self, x: Any) -> Any:
        return ops.top_k(x, 5)[0]


def test_a_layer_that_asks_for_too_many_is_named() -> None:
    with pytest.raises(ValueError, match=r"received k=5, x of shape \(1, 3\)") as caught:
        _Top(name="best")(X[:1])
    assert "in best" in str(caught.value) and "test_edges.py" in str(caught.value)


def test_sizes_that_are_made_up_are_not_checked() -> None:
    """Where a size is not known, shapes are inferred with one that is made up."""
    inputs = keras.Input((None,))
    block = ops.slice(inputs, (0, 0), (1, 100))
    model = keras.Model(inputs, [block, ops.top_k(inputs, 100)[0]])
    long = np.arange(120, dtype=np.float32)[None]
    for found in (model(long), model.predict(long, verbose=0)):
        assert [x.shape for x in found] == [(1, 100), (1, 100)]
    with pytest.raises((IndexError, ValueError)):
        model(long[:, :50])


@pytest.mark.parametrize(
    ("error", "text", "notes"),
    [
        (ValueError("wrong"), "wrong\n  in a/b", []),
        (KeyError("wrong"), "'wrong'", ["  in a/b"]),
        (OSError(2, "wrong"), "[Errno 2] wrong", ["  in a/b"]),
        (ValueError(), "", ["  in a/b"]),
    ],
)
def test_an_error_is_located_once(error: Exception, text: str, notes: list[str]) -> None:
    locate(error, "")
    locate(error, "a/b")
    locate(error, "a")
    assert (str(error), getattr(error, "__notes__", [])) == (text, notes)
