"""Each kind of broken graph is found, and the message names what was done last and what is wrong."""

import re
from collections.abc import Callable

import numpy as np
import pytest
from graphs import Variable, aval, branch, graph_of

from kerasflow.errors import GraphError
from kerasflow.graph import Constant, Graph, Node, Value, verify
from kerasflow.primitives import PRIMITIVES
from kerasflow.tracing import apply


def example() -> Graph:
    """`y = exp(x)`, `state += y`, returns `y * y`."""
    state = Variable(np.zeros(2, np.float32), "total")

    def step(x: np.ndarray) -> np.ndarray:
        y = np.exp(x)
        state.assign(state.value + y)
        return y * y

    return graph_of(step, aval(2), variables=[state])


def node(name: str, *inputs: Value, shape: tuple[int, ...] = (2,), dtype: type = np.float32) -> Node:
    return Node(PRIMITIVES[name], inputs, {}, [aval(*shape, dtype=dtype)])


def wrong_order(graph: Graph) -> None:
    graph.nodes.reverse()


def undefined(graph: Graph) -> None:
    graph.nodes.append(node("sin", Value(aval(2))))


def twice(graph: Graph) -> None:
    graph.nodes.append(graph.nodes[0])


def stolen(graph: Graph) -> None:
    new = node("sin", graph.inputs[0])
    new.outputs = (Value(aval(2), graph.nodes[0]),)
    graph.nodes.append(new)


def duplicate_argument(graph: Graph) -> None:
    graph.inputs.append(graph.inputs[0])


def state_as_input(graph: Graph) -> None:
    graph.inputs.append(graph.state_inputs[0])


def computed_argument(graph: Graph) -> None:
    graph.inputs.append(node("sin", graph.inputs[0]).outputs[0])


def constant_argument(graph: Graph) -> None:
    graph.inputs.append(Constant(np.zeros(2, np.float32)))


def wrong_shape(graph: Graph) -> None:
    graph.nodes.append(node("sin", graph.inputs[0], shape=(3,)))


def wrong_dtype(graph: Graph) -> None:
    graph.nodes.append(node("sin", graph.inputs[0], dtype=np.float64))


def operands_that_do_not_fit(graph: Graph) -> None:
    graph.nodes.append(node("add", graph.inputs[0], Constant(np.zeros(3, np.float32))))


def dtypes_that_do_not_fit(graph: Graph) -> None:
    graph.nodes.append(node("bitwise_and", graph.inputs[0], graph.inputs[0]))


def missing_result(graph: Graph) -> None:
    del graph.nodes[-1]


def missing_state(graph: Graph) -> None:
    graph.state_outputs.pop()


def missing_name(graph: Graph) -> None:
    graph.state_names.append("another")


def changed_state(graph: Graph) -> None:
    graph.state_outputs[0] = Constant(np.zeros(2, np.float64))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (wrong_order, "`multiply` reads a value that is not defined before it"),
        (undefined, "`sin` reads a value that is not defined before it"),
        (twice, "a result of `exp` is assigned twice or belongs to another node"),
        (stolen, "a result of `sin` is assigned twice or belongs to another node"),
        (duplicate_argument, "an argument appears twice"),
        (state_as_input, "an argument appears twice"),
        (computed_argument, "an argument is a constant or the result of a node"),
        (constant_argument, "an argument is a constant or the result of a node"),
        (wrong_shape, "`sin` gives ['float32[2]'], the graph says ['float32[3]']"),
        (wrong_dtype, "`sin` gives ['float32[2]'], the graph says ['float64[2]']"),
        (operands_that_do_not_fit, "`add` does not fit its operands: "),
        (dtypes_that_do_not_fit, "`bitwise_and` does not fit its operands: "),
        (missing_result, "a result of the graph is never computed"),
        (missing_state, "1 state inputs but 0 state outputs"),
        (missing_name, "1 state inputs but 2 names for them"),
        (changed_state, "state changes its type from float32[2] to float64[2]"),
    ],
)
def test_a_broken_graph_is_found(spoil: Callable[[Graph], None], message: str) -> None:
    graph = example()
    verify(graph)
    spoil(graph)
    with pytest.raises(GraphError, match=re.escape(f"Invalid graph after shuffling: {message}")) as info:
        verify(graph, after="shuffling")
    assert "input v" in str(info.value), "the message shows the graph"


def test_branches_are_verified() -> None:
    good, bad = (branch(np.exp, aval(2)) for _ in range(2))
    graph = graph_of(lambda p, x: apply("switch", p, x, branches=(good, bad)), aval(dtype=bool), aval(2))
    bad.nodes.clear()
    with pytest.raises(GraphError, match="after shuffling: a result of the graph is never computed"):
        verify(graph, after="shuffling")


def test_branches_must_fit_their_operands_and_each_other() -> None:
    good, long, double = (branch(np.exp, aval(n, dtype=t)) for n, t in ((2, "f4"), (3, "f4"), (2, "f8")))
    graph = graph_of(lambda p, x: apply("switch", p, x, branches=(good, good)), aval(dtype=bool), aval(2))
    wide = branch(lambda x: np.exp(x).astype("f8"), aval(2))
    for other, message in (
        (long, "takes other operands"),
        (double, "takes other operands"),
        (wide, "returns other types"),
    ):
        graph.nodes[0].params = {"branches": (good, other)}
        with pytest.raises(GraphError, match=f"`switch` does not fit its operands: .*{message}"):
            verify(graph)
    graph.nodes[0].params = {"branches": (long, long)}
    with pytest.raises(GraphError, match="branch 0 takes other operands"):
        verify(graph)


def test_nodes_that_were_checked_are_not_checked_again() -> None:
    graph = example()
    checked: set[Node] = set()
    verify(graph, checked=checked)
    assert checked == set(graph.nodes)
    wrong_order(graph)
    with pytest.raises(GraphError, match="not defined before it"):
        verify(graph, checked=checked)
