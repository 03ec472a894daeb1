"""The cut for several ranks: their results are those of one, and they meet no more often than needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from graphs import aval, graph_of, names

import kerasflow
from kerasflow.bridge.ops import nn
from kerasflow.graph import Graph, evaluate, verify
from kerasflow.groups import offset, rows
from kerasflow.groups.threads import Threads, run_in_threads
from kerasflow.passes import optimize
from kerasflow.passes.shard import Sharded, shard
from kerasflow.primitives import PRIMITIVES
from kerasflow.testing import SPECS, OpSpec, assert_close
from kerasflow.tracing import apply

Arrays = list[Any]


def cut(graph: Graph, ranks: int) -> dict[int, Sharded] | None:
    """The graph for each number of rows that one of the ranks has; None if there is nothing to cut."""
    samples = next((v.aval.shape[0] for v in graph.inputs if v.aval.ndim), 0)
    if samples < ranks:
        return None
    counts = rows(samples, ranks)
    found = {size: shard(graph, counts, size) for size in set(counts)}
    for sharded in found.values():
        if sharded is None:
            return None
        verify(sharded.graph, "shard")
    return {size: sharded for size, sharded in found.items() if sharded is not None}


def on_ranks(found: dict[int, Sharded], inputs: Arrays, ranks: int) -> list[Arrays]:
    """What each of several ranks computes."""
    counts = rows(len(next(x for x in inputs if np.ndim(x))), ranks)

    def work(group: Threads) -> Arrays:
        begin = offset(counts, group.rank)
        sharded = found[counts[group.rank]]
        own = [
            x[begin : begin + counts[group.rank]] if split else x
            for x, split in zip(inputs, sharded.splits, strict=True)
        ]
        return evaluate(sharded.graph, [], own)[0]

    return run_in_threads(ranks, work)


def assert_same(function: Callable[..., Any], inputs: Arrays, ranks: int = 2) -> Sharded:
    """Ranks give what one gives; the cut graph of the first."""
    graph = optimize(graph_of(function, *(aval(*x.shape, dtype=x.dtype.name) for x in inputs)))
    found = cut(graph, ranks)
    assert found is not None
    (expected, _) = evaluate(graph, [], inputs)
    for results in on_ranks(found, inputs, ranks):
        for result, whole in zip(results, expected, strict=True):
            assert_close(result, whole, 64, "a rank's result")
    return next(iter(found.values()))


@pytest.mark.parametrize("spec", [s for s in SPECS if not PRIMITIVES[s.primitive].ranked], ids=str)
def test_every_primitive(spec: OpSpec) -> None:
    """Whatever is split, the ranks' results are whole, and the same."""
    dtype = "float64" if "float64" in spec.dtypes else spec.dtypes[0]
    graph, inputs = spec.graph(dtype), spec.arrays(dtype)
    for ranks in (2, 3):
        found = cut(graph, ranks)
        if found is None:
            continue
        expected = evaluate(graph, [], inputs)[0]
        for results in on_ranks(found, inputs, ranks):
            for result, whole in zip(results, expected, strict=True):
                agreed = spec.determined(result) if spec.determined and len(expected) == 1 else result
                of_one = spec.determined(whole) if spec.determined and len(expected) == 1 else whole
                assert_close(agreed, of_one, 256, str(spec))


def random(*shape: int) -> Any:
    return np.random.default_rng(len(shape)).normal(size=shape)


def test_gradients_meet_once() -> None:
    """A loss and the gradients of two layers: one meeting, of terms."""

    def step(x: Any, y: Any, w: Any, v: Any) -> Any:
        hidden = np.tanh(x @ w)
        error = hidden @ v - y
        back = (error @ v.T) * (1 - hidden * hidden)
        return np.sum(error * error), hidden.T @ error * 0.5, x.T @ back

    sharded = assert_same(step, [random(10, 4), random(10, 2), random(4, 3), random(3, 2)], 3)
    assert sharded.meetings == 1
    assert sharded.sent == 8 * (1 + 6 + 12)


def test_a_mean_is_needed_at_once() -> None:
    """Normalized by the batch's mean and variance: two meetings, since one needs the other."""

    def normalized(x: Any) -> Any:
        centered = x - np.mean(x, axis=0)
        return np.sum(np.tanh(centered / np.sqrt(np.mean(centered * centered, axis=0))), axis=0)

    assert assert_same(normalized, [random(9, 4)], 2).meetings == 3


def test_sums_are_made_once() -> None:
    """What is linear in a mean needs no meeting when the mean has had one, and what is needed soon waits for none."""

    def step(x: Any, scale: Any) -> Any:
        mean = np.mean(x, axis=0)
        moved = np.reshape(mean, (1, -1)) * 0.5
        root = np.sqrt(np.mean(np.square(x - mean), axis=0))  # of sums of what needs a sum
        shifted = x * root - mean * root * scale
        return np.sum(np.tanh(shifted), axis=0), moved

    sharded = assert_same(step, [random(9, 4), random(4)], 2)
    assert sharded.meetings == 3
    assert sharded.sent == 3 * 4 * 8, "the moved mean is not added up itself"


def test_a_normalized_network_meets_three_times_a_layer() -> None:
    """Forwards for the mean and for the variance, backwards once; the last meeting has all other gradients."""

    def loss(w: Any, v: Any, x: Any) -> Any:
        for kernel in (w, v):
            x = x @ kernel
            mean, variance = nn.moments(x, [0])
            x = np.tanh(nn.batch_normalization(x, mean, variance, 1))
        return np.sum(x * x)

    def step(x: Any, w: Any, v: Any) -> Any:
        return kerasflow.grad(lambda w, v: loss(w, v, x), (0, 1))(w, v)

    assert assert_same(step, [random(9, 4), random(4, 5), random(5, 3)], 2).meetings == 2 * 3 + 1


def test_what_is_not_linear_needs_sums() -> None:
    """Of terms neither a product nor a maximum can be made, nor a sum of one with something whole."""

    def use(x: Any, y: Any) -> Any:
        first, second = np.sum(x, axis=0), np.sum(y, axis=0)
        return first * second, np.maximum(first, 0), first + 1, second / first, first @ second, -first * 3

    assert assert_same(use, [random(6, 4), random(6, 4) + 1]).meetings == 1


def test_merged_axes_stay_split() -> None:
    """Time and samples merged into one axis, with the samples inside: a rank's rows are a set, not a range."""

    def step(x: Any) -> Any:
        by_time = np.transpose(x, (1, 0, 2)).reshape(-1, x.shape[2])
        return by_time.T @ np.tanh(by_time), np.tanh(by_time).reshape(x.shape[1], x.shape[0], -1)[0]

    sharded = assert_same(step, [random(6, 5, 3)], 2)
    assert names(sharded.graph).count("all_gather") == 1, "the result that has samples, and nothing else"


def test_draws_are_those_of_one() -> None:
    """Each rank draws the bits of its rows."""

    def masked(x: Any, seed: Any) -> Any:
        bits = apply("random_bits", seed, shape=x.shape, dtype=np.dtype(np.uint32))
        return np.where(bits > 2**31, x, np.zeros((), x.dtype))

    sharded = assert_same(masked, [random(7, 5), np.array([3, 4], np.uint32)], 3)
    assert "random_part" in names(sharded.graph) and "random_bits" not in names(sharded.graph)


def test_terms_of_rows_added_to_zeros() -> None:
    """The gradient of a table of embeddings is a sum of terms."""
    places = np.array([0, 3, 3, 1, 0, 2])

    def gradient(updates: Any, index: Any) -> Any:
        return apply("scatter", np.zeros((4, 2)), updates, index, mode="add")

    sharded = assert_same(gradient, [random(6, 2), places], 2)
    assert names(sharded.graph).count("all_reduce") == 1
    assert not sharded.whole


def test_says_what_runs_whole() -> None:
    sharded = assert_same(lambda x: np.sort(x, axis=0), [random(6, 2)])
    assert sharded.whole == {"sort": 1}


def test_nothing_to_cut() -> None:
    graph = optimize(graph_of(np.tanh, aval(3)))
    assert shard(graph, (1, 1, 1, 0), 1) is None, "a rank without a row"
    assert shard(optimize(graph_of(lambda x: x, aval())), (1, 1), 1) is None, "nothing has rows"


def test_a_rank_that_fails_releases_the_others() -> None:
    def work(group: Threads) -> None:
        if group.rank == 1:
            raise ValueError("mine")
        group.barrier()

    with pytest.raises(ValueError, match="mine"):
        run_in_threads(3, work)
