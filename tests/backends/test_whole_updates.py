"""Arrays that are updated in parts and put together again are updated as wholes; blocks are taken and set as slices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import kerasflow  # noqa: F401  # isort: skip  (before Keras)
import keras
import numpy as np
import pytest
from graphs import assert_same, aval, graph_of, names
from keras import ops

from kerasflow.graph import evaluate, verify
from kerasflow.passes import optimize
from kerasflow_numpy import NumpyBackend
from kerasflow_numpy.plan.parts import update_whole

LAYERS, LENGTH = 3, 7


def layers_update(cache: Any, new: Any, at: Any) -> Any:
    """Each layer's keys and values, of one new token, put into a cache; what attention makes of them."""
    outputs, caches = [], []
    for i in range(LAYERS):
        own = cache[:, i]
        keys = ops.slice_update(own[:, 0], [0, at, 0], new)
        values = ops.slice_update(own[:, 1], [0, at, 0], new * 2)
        new = new + ops.sum(keys * values, axis=1, keepdims=True)
        outputs.append(new)
        caches.append(ops.stack([keys, values], axis=1))
    return ops.stack(caches, axis=1), ops.stack(outputs)


def halves_update(cache: Any, new: Any, at: Any) -> Any:
    """The halves of a sequence, without new axes."""
    first, last = cache[:, :, :, :3], cache[:, :, :, 3:]
    first = ops.slice_update(first, [at - at, 0, 0, 1, 0], new[:, None, None])
    last = ops.slice_update(last, [at - at, 0, 0, 2, 0], new[:, None, None])
    return ops.concatenate([first, last], axis=3)


def not_put_back(cache: Any, new: Any, at: Any) -> Any:
    """Put together in another order."""
    parts = [ops.slice_update(cache[:, i], [0, 0, at, 0], new[:, None]) for i in range(LAYERS)]
    return ops.stack([parts[1], parts[0], parts[2]], axis=1)


def along_another_axis(cache: Any, new: Any, at: Any) -> Any:
    parts = [ops.slice_update(cache[:, i], [0, 0, at, 0], new[:, None]) for i in range(LAYERS)]
    return ops.stack(parts, axis=2)


def old_is_read(cache: Any, new: Any, at: Any) -> Any:
    """What was there before the updates, behind them."""
    after, outputs = layers_update(cache, new, at)
    return after, outputs, cache[:, 1], cache * 2


def updated_twice(cache: Any, new: Any, at: Any) -> Any:
    parts = []
    for i in range(LAYERS):
        once = ops.slice_update(cache[:, i], [0, 0, at, 0], new[:, None])
        twice = ops.slice_update(once, [0, 0, LENGTH - 1, 0], new[:, None] + once[:, :1, :1])
        parts.append(twice + 0 if i == 1 else twice)
    return ops.stack(parts, axis=1), ops.sum(once)


def two_versions(cache: Any, new: Any, at: Any) -> Any:
    return layers_update(cache, new, at), layers_update(cache, new + 1, at)


FUNCTIONS = [
    layers_update,
    halves_update,
    not_put_back,
    along_another_axis,
    old_is_read,
    updated_twice,
    two_versions,
]


def in_program(function: Callable[..., Any], batch: int = 2) -> tuple[Any, list[Any]]:
    types = (
        aval(batch, LAYERS, 2, LENGTH, 4),
        aval(batch, 1, 4),
        aval(dtype=np.int32),
    )
    draw = np.random.default_rng(0)
    arrays = [
        draw.normal(size=types[0].shape).astype("float32"),
        draw.normal(size=types[1].shape).astype("float32"),
        np.int32(4),
    ]
    graph = optimize(graph_of(lambda *xs: keras.tree.flatten(function(*xs)), *types))
    return graph, arrays


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_meaning_stays(function: Callable[..., Any], batch: int) -> None:
    graph, arrays = in_program(function, batch)
    whole = update_whole(graph)
    verify(whole)
    expected, _ = evaluate(graph, [], arrays)
    found, _ = evaluate(whole, [], arrays)
    ours, _ = NumpyBackend(poison=True).compile(graph)([], arrays)
    for a, b, c in zip(expected, found, ours, strict=True):
        assert_same(b, a)
        np.testing.assert_allclose(c, a, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("function", [layers_update, halves_update])
def test_the_whole_is_updated(function: Callable[..., Any]) -> None:
    graph, arrays = in_program(function)
    shape = arrays[0].shape
    whole = update_whole(graph)
    assert [
        n for n in whole.nodes if n.primitive.name == "concatenate" and n.outputs[0].aval.shape == shape
    ] == []
    assert {n.outputs[0].aval.shape for n in whole.nodes if n.primitive.name == "scatter"} == {shape}


@pytest.mark.parametrize("function", [not_put_back, along_another_axis])
def test_what_is_put_together_otherwise_stays(function: Callable[..., Any]) -> None:
    graph, _ = in_program(function)
    assert names(update_whole(graph)) == names(graph)


def test_a_carry_of_a_loop_is_updated_in_place() -> None:
    """No array of the size of the cache, or of a layer's, is filled in the loop; outside of it there is one copy."""
    n = 4000

    def run(cache: Any, at: Any) -> Any:
        def step(cache: Any, i: Any) -> Any:
            return layers_update(cache, ops.cast(i, "float32") + cache[:, 0, 0, :1], i)[0], i + 1

        return ops.while_loop(lambda cache, i: i < n, step, (cache, at))[0]

    graph = optimize(graph_of(run, aval(2, LAYERS, 2, n, 4), aval(dtype=np.int32)))
    program = NumpyBackend().compile(graph)
    _, _, body = program.source.partition("while True:")
    assert "concatenate" not in body and f"[2,{LAYERS},2,{n},4]" in body
    assert body.count("kernels.block") == 2 * LAYERS, "keys and values"
    # The workspace has the products of keys and values of one layer, but no cache and none of its layers.
    assert program.workspace < 2 * 2 * n * 4 * 4 + 100_000
    cache = np.zeros((2, LAYERS, 2, n, 4), np.float32)
    (ours,), _ = program([], [cache, np.int32(n - 3)])
    (expected,), _ = evaluate(graph, [], [cache, np.int32(n - 3)])
    np.testing.assert_allclose(ours, expected, rtol=1e-5)
    assert not cache.any()


# -- blocks -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("start", [0, 2, 5, -7, -2, -1, 7, -8])
def test_a_block_is_what_its_places_say(start: int) -> None:
    """Also where it is counted from the end, or reaches around it, or is outside."""
    x, update = np.arange(35.0).reshape(7, 5), np.ones((2, 3))

    def both(x: Any, update: Any, i: Any) -> Any:
        rows, columns = np.reshape(np.arange(2) + i, (2, 1)), np.arange(1, 4)[None]
        return x[rows, columns], ops.scatter_update(
            x, ops.stack([rows + columns * 0, rows * 0 + columns], axis=-1), update
        )

    graph = optimize(
        graph_of(both, aval(7, 5, dtype=np.float64), aval(2, 3, dtype=np.float64), aval(dtype=np.int64))
    )
    program = NumpyBackend().compile(graph)
    assert "kernels.block" in program.source
    arrays = [x, update, np.int64(start)]
    if -7 <= start <= 5:
        for ours, expected in zip(program([], arrays)[0], evaluate(graph, [], arrays)[0], strict=True):
            assert_same(ours, expected)
        return
    for run in (lambda: program([], arrays), lambda: evaluate(graph, [], arrays)):
        with pytest.raises(IndexError, match="out of bounds"):
            run()


@pytest.mark.parametrize(
    "places",
    [
        lambda i: (np.reshape(np.array([0, 2]) + i, (2, 1)), np.arange(3)[None]),
        lambda i: (np.arange(2) + i, np.arange(2)),
        lambda i: (np.arange(3)[None], np.reshape(np.arange(2) + i, (2, 1))),
        lambda i: (np.reshape(np.stack([i, i]), (2, 1)), np.arange(1, 4)[None]),
    ],
    ids=["with gaps", "one by one", "turned", "unknown"],
)
def test_other_places_are_no_block(places: Callable[[Any], Any]) -> None:
    graph = optimize(graph_of(lambda x, i: x[places(i)], aval(7, 5), aval(dtype=np.int64)))
    program = NumpyBackend().compile(graph)
    assert "kernels.block" not in program.source
    arrays = [np.arange(35, dtype=np.float32).reshape(7, 5), np.int64(1)]
    assert_same(program([], arrays)[0][0], evaluate(graph, [], arrays)[0][0])
