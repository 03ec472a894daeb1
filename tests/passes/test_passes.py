"""Dead code, common subexpressions, constants, and the order in which all passes run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from graphs import Variable, assert_equivalent, aval, branch, graph_of, names

from kerasflow.errors import GraphError
from kerasflow.graph import Constant, Graph, all_nodes
from kerasflow.passes import (
    PASSES,
    eliminate_common_subexpressions,
    eliminate_dead_code,
    fold_constants,
    optimize,
    pipeline,
    simplify,
)
from kerasflow.passes.fold import MAX_ELEMENTS
from kerasflow.primitives import PRIMITIVES
from kerasflow.testing import SPECS, OpSpec
from kerasflow.tracing import apply, scope

X = np.array([1.5, -0.0, np.nan, -2], np.float32)


def after(run: Callable[[Graph], Graph], function: Callable[..., Any], *avals: Any) -> Graph:
    """The graph after one pass, checked to be equivalent and to be done for good."""
    graph = graph_of(function, *avals)
    changed = run(graph)
    with np.errstate(invalid="ignore"):
        inputs = [np.resize(X, a.shape).astype(a.dtype) for a in avals]
    assert_equivalent(graph, changed, [], inputs)
    assert names(run(changed)) == names(changed)
    return changed


# -- dead code ----------------------------------------------------------------------------------------------


def test_dead_code_is_removed() -> None:
    state = Variable(np.zeros(4, np.float32))

    def step(x: Any) -> Any:
        np.sin(np.cos(x))
        y = np.exp(x)
        np.log(y)
        state.assign(y)
        return np.sqrt(x)

    graph = eliminate_dead_code(graph_of(step, aval(4), variables=[state]))
    assert names(graph) == ["exp", "sqrt"]
    assert names(eliminate_dead_code(graph)) == names(graph)


def test_arguments_stay_even_if_nobody_reads_them() -> None:
    graph = after(eliminate_dead_code, lambda x, y: [np.exp(y)], aval(4), aval(4))
    assert len(graph.inputs) == 2


# -- common subexpressions ----------------------------------------------------------------------------------


def merged(function: Callable[..., Any], *avals: Any) -> list[str]:
    return names(after(eliminate_common_subexpressions, function, *avals))


def test_the_same_is_computed_once() -> None:
    assert merged(lambda x: np.exp(x + 1) * np.exp(x + 1), aval(4)) == ["add", "exp", "multiply"]
    total = lambda x: np.sum(x, axis=0)  # noqa: E731
    assert merged(lambda x: [total(x), total(x)], aval(4)) == ["sum"]
    small = lambda: np.array([1, 2, 3, 4], np.float32)  # noqa: E731
    assert merged(lambda x: [x + small(), x + small()], aval(4)) == ["add"]
    large = np.ones(1000, np.float32)
    assert merged(lambda x: [x + large, x + large], aval(1000)) == ["add"]


def test_what_only_looks_the_same_is_not() -> None:
    assert merged(lambda x: [x + 1, x + 2], aval(4)) == ["add", "add"]
    assert merged(lambda x: [x + 0.0, x + -0.0], aval(4)) == ["add", "add"]
    assert merged(lambda x: [np.sum(x, axis=0), np.sum(x, axis=1)], aval(4, 4)) == ["sum", "sum"]
    assert merged(lambda x, y: [x - y, y - x], aval(4), aval(4)) == ["subtract", "subtract"]
    assert merged(lambda x: [x.astype("i4"), x.astype("i8")], aval(4, dtype="i2")) == ["astype", "astype"]
    # The same bytes in another shape, in another dtype.
    row, column = np.zeros((1, 4), np.float32), np.zeros((4, 1), np.float32)
    assert merged(lambda x: [x + row, x + column], aval(4, 4)) == ["add", "add"]
    mask, ones = np.zeros(4, np.int32), np.zeros(4, np.float32)
    assert merged(lambda x, y: [apply("ldexp", x, mask), x + ones], aval(4), aval(4)) == ["ldexp", "add"]


def test_seeds_decide_whether_random_bits_are_the_same() -> None:
    def draw(seed: Any) -> Any:
        return apply("random_bits", seed, shape=(3,), dtype=np.dtype(np.uint32))

    seed = aval(2, dtype=np.uint32)
    assert merged(lambda s: [draw(s), draw(s)], seed) == ["random_bits"]
    assert len(merged(lambda s: [draw(s), draw(s + np.uint32(1))], seed)) == 3


def test_parameters_that_cannot_be_compared_keep_their_nodes() -> None:
    def twice(x: Any) -> list[Any]:
        return [apply("custom_vjp", x, outputs=1, vjp=lambda g: g)[0] for _ in range(2)]

    assert merged(twice, aval(4)) == ["custom_vjp", "custom_vjp"]
    graph = graph_of(twice, aval(4))
    for node in graph.nodes:
        node.params = {"outputs": 1, "vjp": [1, 2]}
    assert len(eliminate_common_subexpressions(graph).nodes) == 2


def test_the_first_of_several_keeps_its_origin() -> None:
    def function(x: Any) -> list[Any]:
        with scope("first"):
            a = np.exp(x)
        with scope("second"):
            b = np.exp(x)
            return [a, b, np.sin(x)]

    graph = after(eliminate_common_subexpressions, function, aval(4))
    assert [node.scope for node in graph.nodes] == ["first", "second"]


# -- constants ----------------------------------------------------------------------------------------------


def folded(function: Callable[..., Any], *avals: Any) -> Graph:
    return after(lambda g: eliminate_dead_code(fold_constants(g)), function, *avals)


C = np.array([1.0, 2.0, -0.0, np.inf], np.float32)


def test_constants_are_computed_now() -> None:
    graph = folded(lambda x: x + apply("exp", apply("sum", lifted(x, C), axis=(0,), keepdims=False)), aval(4))
    assert names(graph) == ["add"] and graph.nodes[0].inputs[1].array == np.inf
    many = lambda x: np.broadcast_to(lifted(x, np.float32(0.1)), (300,))  # noqa: E731
    assert names(folded(lambda x: [np.sum(many(x), axis=0)], aval(4))) == []


def lifted(x: Any, array: Any) -> Any:
    """A constant as a traced array."""
    return x.owner.bind(PRIMITIVES["identity"], (array,), {})


def test_what_depends_on_an_argument_stays() -> None:
    assert names(folded(lambda x: x * np.float32(0), aval(4))) == ["multiply"], "0 * nan is nan"


def test_large_results_stay() -> None:
    n = MAX_ELEMENTS + 1
    wide = lambda x, n: [apply("broadcast_to", lifted(x, np.float32(1)), shape=(n,))]  # noqa: E731
    assert names(folded(lambda x: wide(x, 4), aval(4))) == ["broadcast_to"]
    exp = lambda x, n: [np.exp(wide(x, n)[0])]  # noqa: E731
    assert names(folded(lambda x: exp(x, n), aval(4))) == ["broadcast_to", "exp"]
    assert names(folded(lambda x: exp(x, n - 1), aval(4))) == []


def test_failures_are_left_to_run_time() -> None:
    take = lambda x: apply("gather", lifted(x, C), np.array(9))  # noqa: E731
    safe = branch(lambda x: x[0], aval(4))
    wrong = branch(take, aval(4))
    graph = graph_of(lambda p, x: apply("switch", p, x, branches=(wrong, safe)), aval(dtype=bool), aval(4))
    assert_equivalent(graph, optimize(graph), [], [np.True_, X])


# -- the pipeline -------------------------------------------------------------------------------------------


def test_branches_are_optimized_too() -> None:
    def inner(x: Any, y: Any) -> Any:
        np.cos(x)
        return np.exp(x * np.float32(1)) * np.exp(x) + apply("exp", lifted(x, np.float32(0)))

    small, plain = branch(inner, aval(4), aval(4)), branch(lambda x, y: np.negative(-y), aval(4), aval(4))
    nested = branch(
        lambda x, y: apply("switch", x[0] > 0, x, y, branches=(plain, small))[0] + np.float32(2) * np.float32(3),
        aval(4), aval(4),
    )  # fmt: skip
    graph = graph_of(
        lambda p, x, y: apply("switch", p, x, y, branches=(plain, nested)), aval(dtype=bool), aval(4), aval(4)
    )
    original = [node.primitive.name for node in all_nodes(graph)]
    better = optimize(graph)
    assert [node.primitive.name for node in all_nodes(better)] == [
        "switch", "getitem", "reshape", "greater", "switch", "exp", "multiply", "add", "add"
    ]  # fmt: skip
    assert [node.primitive.name for node in all_nodes(graph)] == original, "the graph itself stays"
    for p in (True, False):
        for x in (X, -X):
            assert_equivalent(graph, better, [], [np.array(p), x, X + 1])


def test_a_pass_that_breaks_the_graph_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def careless(graph: Graph) -> Graph:
        return Graph(graph.inputs, graph.nodes[1:], graph.outputs)

    monkeypatch.setattr(pipeline, "PASSES", (simplify, careless))
    graph = graph_of(lambda x: np.sin(np.exp(x)), aval(4))
    with pytest.raises(GraphError, match="Invalid graph after careless"):
        optimize(graph)
    optimize(graph, check=False)


def test_a_broken_trace_is_named() -> None:
    graph = graph_of(lambda x: np.sin(np.exp(x)), aval(4))
    graph.nodes.reverse()
    with pytest.raises(GraphError, match="Invalid graph after tracing"):
        optimize(graph)


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_every_primitive_survives_every_pass(spec: OpSpec) -> None:
    for dtype in spec.dtypes:
        graph = spec.graph(dtype)
        for run in (*dict.fromkeys(PASSES), optimize):
            assert_equivalent(graph, run(graph), [], spec.arrays(dtype))


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_every_primitive_folds(spec: OpSpec) -> None:
    for dtype in spec.dtypes:
        graph = spec.graph(dtype)
        arrays = spec.arrays(dtype)
        for node in graph.nodes:
            constants = dict(zip(graph.inputs, map(Constant, arrays), strict=True))
            node.inputs = tuple(constants[v] for v in node.inputs)
        # Nobody knows how long these take.
        loops = [node.primitive.name for node in graph.nodes if node.subgraphs]
        # What depends on a rank is computed when the program runs.
        ranked = [node.primitive.name for node in graph.nodes if node.primitive.ranked]
        better = optimize(graph)
        left = names(better)
        if ranked:
            assert left == ranked
        else:
            assert all(isinstance(v, Constant) for v in better.outputs) or left in (["broadcast_to"], loops)
        assert_equivalent(graph, better, [], arrays)


def test_a_second_round_finds_nothing() -> None:
    def step(x: Any, y: Any) -> Any:
        a = np.mean(np.square(np.maximum(x @ y, 0) - 0.5), axis=1)
        b = np.transpose(np.transpose(x)) * np.broadcast_to(np.float32(2), x.shape) / 4
        return a, np.negative(-b) + np.sum(b, axis=1, keepdims=True), np.where(b > 0, 1.0, 0.0) * 1

    once = optimize(graph_of(step, aval(3, 4), aval(4, 2)))
    assert names(optimize(once)) == names(once)
