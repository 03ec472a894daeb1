"""Types, the reference evaluation, and the facts about graphs that others build on."""

import numpy as np
import pytest
from graphs import Variable, aval, branch, graph_of

from kerasflow.graph import (
    Constant,
    Graph,
    ShapedArray,
    all_nodes,
    evaluate,
    infer,
    last_uses,
    needed,
    shaped,
    users,
)
from kerasflow.primitives import PRIMITIVES
from kerasflow.testing import as_dtype
from kerasflow.tracing import apply


@pytest.mark.parametrize(
    ("shape", "dtype", "size", "nbytes", "text"),
    [
        ((2, 3), "float32", 6, 24, "float32[2,3]"),
        ((), "int64", 1, 8, "int64[]"),
        ((0, 4), "bool", 0, 0, "bool[0,4]"),
        ((5,), "bfloat16", 5, 10, "bfloat16[5]"),
    ],
)
def test_a_type_knows_its_size(shape: tuple[int, ...], dtype: str, size: int, nbytes: int, text: str) -> None:
    a = ShapedArray(shape, as_dtype(dtype))
    assert (a.ndim, a.size, a.nbytes, str(a)) == (len(shape), size, nbytes, text)
    assert a == shaped(np.zeros(shape, as_dtype(dtype)))
    assert hash(a) == hash(shaped(np.zeros(shape, as_dtype(dtype))))
    assert a != ShapedArray((*shape, 1), as_dtype(dtype))
    with pytest.raises(AttributeError):
        a.shape = (1,)


def test_the_type_of_a_numpy_scalar() -> None:
    assert shaped(np.float32(3)) == aval()


def test_evaluate_runs_nodes_in_order_and_leaves_its_arguments_alone() -> None:
    a, b = Variable(np.zeros(3, np.float32), "a"), Variable(np.ones(3, np.float32), "b")

    def step(x: np.ndarray) -> tuple:
        before = a.value
        a.assign(before + x)
        return before, a.value * 2, np.float32(7)

    graph = graph_of(step, aval(3), variables=[a, b])
    state = [np.full(3, 10, np.float32), np.full(3, 5, np.float32)]
    x = np.arange(3, dtype=np.float32)
    outputs, new_state = evaluate(graph, state, [x])
    assert [np.asarray(o).tolist() for o in outputs] == [[10, 10, 10], [20, 22, 24], 7]
    assert [s.tolist() for s in new_state] == [[10, 11, 12], [5, 5, 5]]
    assert state[0].tolist() == [10, 10, 10] and x.tolist() == [0, 1, 2]
    assert graph.state_names == ["a", "b"]


def test_evaluate_wants_all_arguments() -> None:
    graph = graph_of(np.exp, aval(2))
    with pytest.raises(ValueError):
        evaluate(graph, [], [])
    with pytest.raises(ValueError):
        evaluate(graph, [np.ones(2)], [np.ones(2)])


def test_evaluate_is_silent_about_infinities() -> None:
    outputs, _ = evaluate(graph_of(np.log, aval(2)), [], [np.array([0, -1], np.float32)])
    np.testing.assert_array_equal(outputs[0], [-np.inf, np.nan])


def test_infer_gives_a_tuple() -> None:
    assert infer(PRIMITIVES["add"], [aval(2, 1), aval(3)], {}) == (aval(2, 3),)
    with pytest.raises(ValueError, match=r"\(2,\), \(3,\)"):
        infer(PRIMITIVES["add"], [aval(2), aval(3)], {})


def test_users_are_listed_once_each_and_in_order() -> None:
    graph = graph_of(lambda x: np.exp(x * x) + x, aval(2))
    multiply, exp, add = graph.nodes
    found = users(graph)
    assert found[graph.inputs[0]] == [multiply, add]
    assert found[multiply.outputs[0]] == [exp]
    assert add.outputs[0] not in found


def test_needed_nodes() -> None:
    graph = graph_of(lambda x: [np.exp(x), np.log(np.sin(x))][:1], aval(2))
    exp, sin, log = graph.nodes
    assert needed(graph.nodes, graph.results) == {exp}
    assert needed(graph.nodes, log.outputs) == {sin, log}
    assert needed(graph.nodes, graph.inputs) == set()


def test_last_uses() -> None:
    state = Variable(np.ones(2, np.float32))

    def step(x: np.ndarray, unused: np.ndarray) -> np.ndarray:
        y = np.exp(x)
        np.sin(y)
        state.assign(y + np.array([1, 2], np.float32))
        return np.cos(x)

    graph = graph_of(step, aval(2), aval(2), variables=[state])
    exp, sin, add, cos = graph.nodes
    last = last_uses(graph)
    assert last[graph.inputs[0]] == 3
    assert last[exp.outputs[0]] == 2
    assert last[sin.outputs[0]] == 1, "nobody reads it"
    assert last[add.outputs[0]] == last[cos.outputs[0]] == 4, "results live to the end"
    assert graph.inputs[1] not in last
    assert not any(isinstance(v, Constant) for v in last)


def test_all_nodes_with_those_of_branches() -> None:
    inner = branch(lambda x: np.sin(x), aval(2))
    twice = (inner, inner)

    def two(x: np.ndarray) -> list:
        return [apply("switch", p, x, branches=twice)[0] for p in (np.True_, x[0] > 0)]

    middle = branch(two, aval(2))
    other = branch(lambda x: [np.cos(x), np.exp(x)], aval(2))
    graph = graph_of(lambda p, x: apply("switch", p, x, branches=(other, middle)), aval(dtype=bool), aval(2))
    found = [node.primitive.name for node in all_nodes(graph)]
    assert found.count("sin") == 4 and found.count("cos") == 1 and found.count("switch") == 3
    assert found[0] == "switch"


def test_a_graph_lists_its_arguments_and_results() -> None:
    state = Variable(np.ones(2, np.float32))
    graph = graph_of(lambda x: x + state.value, aval(2), variables=[state])
    assert graph.arguments == [*graph.state_inputs, *graph.inputs]
    assert graph.results == [graph.nodes[0].outputs[0], graph.state_inputs[0]]
    assert isinstance(graph, Graph) and "add" in repr(graph.nodes[0].primitive)
