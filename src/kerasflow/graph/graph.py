"""The intermediate representation: primitives, values, nodes and graphs.

A graph is a list of nodes in execution order. Every node applies a primitive
(a NumPy function with a fixed, canonical form of its arguments) to values and
makes new values. Values are assigned once and never change.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kerasflow.graph.location import locate
from kerasflow.graph.types import ShapedArray, shaped


@dataclass(frozen=True, eq=False, slots=True)
class Primitive:
    """An operation of the language.

    Args:
        name: NumPy's name of the operation where NumPy has one.
        evaluate: its meaning, `evaluate(*arrays, **params)` on NumPy arrays.
            Returns one array, or a tuple of arrays if `multiple_results`.
        shape_rule: `shape_rule(*avals, **params)`, the abstract result without
            executing anything; raises `ValueError` on arguments that do not fit.
        elementwise: every element of the (single) result depends only on the
            elements at the same place of the broadcast inputs.
        view: the result is the same memory as the first input, seen differently.
        multiple_results: `evaluate` and `shape_rule` return tuples.
        ranked: what it gives depends on the process that computes it, or several meet in it: it is computed when the
            program runs, and not before.
        takes_text: its operands may be strings.
        failure: `failure(node, arrays)` says what is wrong with the arrays of a node that failed, better than NumPy
            does; None if it has nothing to say.
    """

    name: str
    evaluate: Callable[..., Any]
    shape_rule: Callable[..., Any]
    elementwise: bool = False
    view: bool = False
    multiple_results: bool = False
    ranked: bool = False
    takes_text: bool = False
    failure: Callable[[Node, Sequence[Any]], Exception | None] | None = None

    def __repr__(self) -> str:
        return f"Primitive({self.name})"


class Value:
    """One array of a graph: an input, or the result of a node.

    Attributes:
        aval: its shape and dtype.
        node: the node that makes it, None for an input or a constant.
    """

    __slots__ = ("aval", "node", "__weakref__")

    def __init__(self, aval: ShapedArray, node: Node | None = None) -> None:
        self.aval = aval
        self.node = node


class Constant(Value):
    """A value known when the graph is built. The array must never be written."""

    __slots__ = ("array",)

    def __init__(self, array: np.ndarray[Any, Any]) -> None:
        super().__init__(shaped(array))
        self.array = array


class Node:
    """One application of a primitive.

    Attributes:
        inputs: the values it reads.
        params: static parameters, hashable except for sub-graphs and callables.
        outputs: the values it makes (exactly one unless `primitive.multiple_results`).
        scope: where it comes from, e.g. the path of a Keras layer; "" if unknown.
    """

    __slots__ = ("primitive", "inputs", "params", "outputs", "scope")

    def __init__(
        self,
        primitive: Primitive,
        inputs: Sequence[Value],
        params: dict[str, Any],
        avals: Sequence[ShapedArray],
        scope: str = "",
    ) -> None:
        self.primitive = primitive
        self.inputs = tuple(inputs)
        self.params = params
        self.outputs = tuple(Value(aval, self) for aval in avals)
        self.scope = scope

    @property
    def subgraphs(self) -> list[Graph]:
        """The graphs among the parameters: the branches of a conditional."""
        params = [
            p for param in self.params.values() for p in (param if isinstance(param, tuple) else (param,))
        ]
        return [p for p in params if isinstance(p, Graph)]


@dataclass(eq=False)
class Graph:
    """A program: nodes in execution order, from inputs and state to outputs and new state.

    Args:
        inputs: values given at each call.
        nodes: in execution order; each reads only inputs, state inputs,
            constants and results of earlier nodes.
        outputs: values returned by each call.
        state_inputs: the state's values before the call.
        state_outputs: the state's values after it, one for each state input
            (the same `Value` where the call does not change it).
        state_names: a readable name for each state input.
    """

    inputs: list[Value]
    nodes: list[Node]
    outputs: list[Value]
    state_inputs: list[Value] = field(default_factory=list)
    state_outputs: list[Value] = field(default_factory=list)
    state_names: list[str] = field(default_factory=list)

    @property
    def results(self) -> list[Value]:
        """Everything that must be computed: outputs and changed state."""
        return self.outputs + self.state_outputs

    @property
    def changes(self) -> dict[int, Value]:
        """The new value of each part of the state that the call changes, by its place."""
        pairs = enumerate(zip(self.state_inputs, self.state_outputs, strict=True))
        return {i: now for i, (before, now) in pairs if now is not before}

    @property
    def arguments(self) -> list[Value]:
        """Everything that is given: state and inputs."""
        return self.state_inputs + self.inputs


def infer(
    primitive: Primitive, avals: Sequence[ShapedArray], params: dict[str, Any]
) -> tuple[ShapedArray, ...]:
    """The abstract results of a primitive, always as a tuple."""
    result = primitive.shape_rule(*avals, **params)
    return tuple(result) if primitive.multiple_results else (result,)


def evaluate_node(node: Node, arrays: Sequence[Any]) -> tuple[Any, ...]:
    """Apply a node to NumPy arrays; always a tuple.

    Raises:
        Exception: what NumPy raises, or the primitive's own account of it, with the node's scope in the message.
    """
    try:
        with np.errstate(all="ignore"):
            result = node.primitive.evaluate(*arrays, **node.params)
    except Exception as error:
        failure = node.primitive.failure
        found = failure(node, arrays) if failure is not None else None
        locate(found or error, node.scope)
        if found is None:
            raise
        raise found from None
    return tuple(result) if node.primitive.multiple_results else (result,)


def evaluate(
    graph: Graph,
    state: Sequence[Any],
    inputs: Sequence[Any],
    apply: Callable[[Node, Sequence[Any]], Sequence[Any]] = evaluate_node,
    lift: Callable[[np.ndarray[Any, Any]], Any] = lambda array: array,
) -> tuple[list[Any], list[Any]]:
    """Run a graph node by node, with NumPy: the reference meaning of a graph.

    Args:
        state: one array for each state input. inputs: one array for each input.
        apply: runs one node on arrays, or on what an engine has for arrays; always a sequence.
        lift: makes what `apply` takes of a constant's array; called once for each constant that is read.

    Returns:
        `(outputs, new_state)`, lists of arrays.
    """
    env: dict[Value, Any] = dict(zip(graph.state_inputs, state, strict=True))
    env.update(zip(graph.inputs, inputs, strict=True))

    def read(value: Value) -> Any:
        if isinstance(value, Constant) and value not in env:
            env[value] = lift(value.array)
        return env[value]

    for node in graph.nodes:
        env.update(zip(node.outputs, apply(node, [read(v) for v in node.inputs]), strict=True))
    return [read(v) for v in graph.outputs], [read(v) for v in graph.state_outputs]
