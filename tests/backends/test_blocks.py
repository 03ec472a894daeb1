"""Blocks: every way to cut a primitive gives its results, and programs run in blocks what they run at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from graphs import aval, graph_of, names

from kerasflow.graph import Graph, Node, Value, evaluate, evaluate_node, infer, shaped, verify
from kerasflow.passes import optimize
from kerasflow.passes.partition import part_params, splits
from kerasflow.primitives import PRIMITIVES
from kerasflow.testing import SPECS, OpSpec, assert_close
from kerasflow.tracing import apply
from kerasflow_numpy import NumpyBackend
from kerasflow_numpy.plan import blocks
from kerasflow_numpy.plan.cutting import cut

# Without a derivative by blocks: shapes that depend on nothing that could be cut, sub-graphs, sums of another kind.
CUT = [spec for spec in SPECS if not PRIMITIVES[spec.primitive].multiple_results]


def by_blocks(node: Node, split: Any, n: int, arrays: list[Any]) -> Any:
    """The node's result, computed in n blocks."""
    parts = []
    for k in range(n):
        operands = [cut(x, axis, k, n) for x, axis in zip(arrays, split.operands, strict=True)]
        inputs = [Value(shaped(x)) for x in operands]
        params = part_params(node, split, n)
        part = Node(node.primitive, inputs, params, infer(node.primitive, [v.aval for v in inputs], params))
        (result,) = evaluate_node(part, operands)
        assert shaped(np.asarray(result)) == part.outputs[0].aval
        parts.append(result)
    return np.concatenate(parts, split.result) if split.result is not None else np.sum(parts, axis=0)


@pytest.mark.parametrize("spec", CUT, ids=str)
def test_every_split(spec: OpSpec) -> None:
    (node,) = spec.graph("float64" if "float64" in spec.dtypes else spec.dtypes[0]).nodes
    arrays = spec.arrays("float64" if "float64" in spec.dtypes else spec.dtypes[0])
    (whole,) = evaluate_node(node, arrays)
    for n in (2, 3, 4):
        for split in splits(node, n):
            assert_close(by_blocks(node, split, n, arrays), whole, 64, f"{spec}, {n} blocks, {split}")


def test_most_primitives_can_be_cut() -> None:
    """The table of splits is tried: the specs have axes that can be cut."""
    tried = {s.primitive for s in CUT for n in (2, 3, 4) if any(splits(s.graph(s.dtypes[0]).nodes[0], n))}
    assert {"matmul", "sum", "reshape", "transpose", "concatenate", "gather", "where"} <= tried


def test_slices(always: None) -> None:
    def sliced(x: Any) -> Any:
        y = np.exp(x)
        return apply("setitem", y, y[:, :2] * np.float32(2), index=((0, 8, 1), (1, 3, 1)))

    graph = optimize(graph_of(sliced, aval(8, 5)))
    cut = blocks.block(graph, set(), 2)
    assert names(cut) == ["blocks"]
    x = operands(graph)
    np.testing.assert_array_equal(evaluate(cut, [], x)[0][0], evaluate(graph, [], x)[0][0])


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks also where they are not worth it."""
    monkeypatch.setattr(blocks, "MIN_ELEMENTS", 0)


def network(x: Any, y: Any, w: Any, v: Any) -> Any:
    """A layer norm, two products and the gradients of their weights, a mask that is drawn."""
    centered = x - np.mean(x, axis=-1, keepdims=True)
    h = np.maximum(centered @ w, np.float32(0))
    loss = np.sum(np.square(h @ v - y))
    return loss, x.T @ h, np.sum(h, axis=0), np.exp(h) / np.sum(np.exp(h), axis=0), np.reshape(h, (-1,))


def network_graph(samples: int) -> Graph:
    return optimize(graph_of(network, aval(samples, 6), aval(samples, 3), aval(6, 4), aval(4, 3)))


def operands(graph: Graph) -> list[Any]:
    rng = np.random.default_rng(0)
    return [rng.normal(size=v.aval.shape).astype(np.float32) for v in graph.inputs]


@pytest.mark.parametrize(("samples", "threads"), [(12, 2), (12, 1), (12, 3), (6, 2), (4, 4)])
def test_network(samples: int, threads: int, always: None) -> None:
    graph = network_graph(samples)
    arrays = operands(graph)
    cut = blocks.block(graph, set(), threads)
    verify(cut)
    assert "blocks" in names(cut)
    expected, _ = evaluate(graph, [], arrays)
    for ours, theirs in zip(evaluate(cut, [], arrays)[0], expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)
    for poison in (True, False):
        program = NumpyBackend(poison, threads=threads).compile(graph)
        for _ in range(2):
            for ours, theirs in zip(program([], arrays)[0], expected, strict=True):
                np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)
    assert "block0" in program.source


def test_a_prime_number_of_samples_runs_at_once(always: None) -> None:
    graph = network_graph(7)
    assert "blocks" not in names(blocks.block(graph, set(), 2))


def test_samples_that_meet_are_another_block(always: None) -> None:
    """What depends on all samples ends a block."""

    def normalized(x: Any) -> Any:
        h = np.exp(x * np.float32(0.1))
        h = h / np.sum(h, axis=0)
        return np.exp(h - np.max(h, axis=1, keepdims=True))

    graph = optimize(graph_of(normalized, aval(8, 5)))
    cut = blocks.block(graph, set(), 2)
    assert names(cut).count("blocks") == 2
    x = operands(graph)
    np.testing.assert_allclose(evaluate(cut, [], x)[0][0], evaluate(graph, [], x)[0][0], rtol=1e-6)


def test_views_are_taken_outside(always: None) -> None:
    """A view of an argument that is needed outside is no copy that the blocks make."""
    graph = optimize(graph_of(network, aval(128, 600), aval(128, 3), aval(600, 400), aval(400, 3)))
    cut = blocks.block(graph, set(), 2)
    (node,) = [n for n in cut.nodes if n.primitive.name == "blocks"]
    assert "matmul" in names(cut), "a large sum over the samples is taken behind the blocks"
    assert all(v.aval.shape != (600, 128) for v in node.outputs)


def recurrence(x: Any, w: Any, start: Any) -> Any:
    """A recurrent network over (samples, steps, units), and the sum of its last state's squares."""
    units = w.shape[0]
    step = graph_of(
        lambda w, h, x: [np.tanh(h @ w + x), h * x],
        aval(units, units),
        aval(x.shape[0], units),
        aval(x.shape[0], units),
    )
    stacked = np.transpose(x, (1, 0, 2)) * np.float32(2)
    last, all_steps = apply(
        "scan", w, start, stacked, body=step, length=x.shape[1], reverse=False, constants=1, carries=1
    )
    return np.exp(last), np.sum(np.square(all_steps), axis=(0, 2))


@pytest.mark.parametrize("units", [5, 8])
def test_a_scan_is_cut_too(units: int, always: None) -> None:
    """Each block runs all steps for its samples, also where other axes are as long as the batch."""

    w = np.random.default_rng(1).normal(size=(units, units)).astype(np.float32)
    zeros = np.zeros((8, units), np.float32)
    graph = optimize(graph_of(lambda x: recurrence(x, w, zeros), aval(8, 3, units)))
    cut = blocks.block(graph, set(), 2)
    verify(cut)
    assert names(cut) == ["blocks"]
    (node,) = cut.nodes
    assert "scan" in names(node.params["body"])
    arrays = operands(graph)
    expected = evaluate(graph, [], arrays)[0]
    results = [
        evaluate(cut, [], arrays)[0],
        NumpyBackend(poison=True, threads=2).compile(graph)([], arrays)[0],
    ]
    for found in results:
        for ours, theirs in zip(found, expected, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


def test_a_scan_over_samples_is_not_cut(always: None) -> None:
    """The steps of a sum over the batch follow each other."""

    def run(x: Any) -> Any:
        step = graph_of(lambda h, x: [h + x, h * x], aval(5), aval(5))
        zeros = np.zeros(5, np.float32)
        return apply("scan", zeros, np.exp(x), body=step, length=8, reverse=False, constants=0, carries=1)

    graph = optimize(graph_of(run, aval(8, 5)))
    assert "scan" in names(blocks.block(graph, set(), 2))


def test_small_work_is_left_alone() -> None:
    assert "blocks" not in names(blocks.block(network_graph(12), set(), 2))
