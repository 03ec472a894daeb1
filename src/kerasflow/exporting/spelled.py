"""Constants that depend on the batch size, as nodes that compute them from sizes in shapes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kerasflow.exporting.batch import Filled, Varying
from kerasflow.graph import Constant, Graph, Node, ShapedArray, Size, Value, infer
from kerasflow.primitives import PRIMITIVES


def spell_out(graph: Graph) -> Graph:
    """The aligned graph, changed in place: nodes instead of `Varying`s, here and in sub-graphs.

    What depends on the batch size then is nothing but shapes and parameters.
    """
    nodes: list[Node] = []
    found: dict[Value, Value] = {}

    def fixed(values: Sequence[Value], scope: str) -> tuple[Value, ...]:
        for value in values:
            if isinstance(value, Varying) and value not in found:
                found[value] = _Spelling(nodes, scope).constant(value)
        return tuple(found.get(value, value) for value in values)

    for node in graph.nodes:
        for sub in node.subgraphs:
            spell_out(sub)
        node.inputs = fixed(node.inputs, node.scope)
        nodes.append(node)
    graph.outputs = list(fixed(graph.outputs, ""))
    graph.nodes = nodes
    return graph


class _Spelling:
    def __init__(self, nodes: list[Node], scope: str) -> None:
        self.nodes = nodes
        self.scope = scope

    def constant(self, value: Constant) -> Value:
        if not isinstance(value, Varying):
            return value
        dtype, made = value.aval.dtype, value.made
        if isinstance(made, Filled):
            core = self._broadcast(self.constant(made.core), made.shape)
            if not made.step:
                return core
            along = tuple(n if i == made.axis else 1 for i, n in enumerate(made.shape))
            ones = self._broadcast(Constant(np.ones((1,) * len(along), np.int64)), along)
            ends = self._node("cumsum", [ones], axis=made.axis)
            places = self._node("subtract", [ends, Constant(np.array(1, np.int64))])
            steps = self._node("multiply", [self._cast(places, dtype), Constant(np.array(made.step, dtype))])
            return self._node("add", [steps, core], ShapedArray(made.shape, dtype))
        size = made.size
        n = Size((int(size) - size.plus) // size.times, 1, 0)
        total = self._node(
            "sum", [self._broadcast(Constant(np.ones(1, np.int64)), (n,))], axis=(0,), keepdims=False
        )
        for name, number in (("multiply", size.times), ("add", size.plus)):
            total = self._node(name, [total, Constant(np.array(number, np.int64))])
        if made.share is not None:
            share = Constant(np.array(made.share))
            total = self._node("divide", [share, self._cast(total, np.dtype(np.float64))])
        return self._broadcast(self._cast(total, dtype), value.aval.shape)

    def _cast(self, value: Value, dtype: np.dtype[Any]) -> Value:
        return self._node("astype", [value], dtype=dtype)

    def _broadcast(self, value: Value, shape: tuple[int, ...]) -> Value:
        return self._node("broadcast_to", [value], ShapedArray(shape, value.aval.dtype), shape=shape)

    def _node(
        self, name: str, inputs: Sequence[Value], aval: ShapedArray | None = None, **params: Any
    ) -> Value:
        primitive = PRIMITIVES[name]
        avals = [aval] if aval else infer(primitive, [v.aval for v in inputs], params)
        node = Node(primitive, inputs, params, avals, self.scope)
        self.nodes.append(node)
        return node.outputs[0]
