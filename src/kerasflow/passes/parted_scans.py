"""Cutting a scan along its samples: each part runs all steps, for its own samples.

That works where everything that a step computes from samples can be cut along
them, from the carries and slices to the new carries.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kerasflow.graph import Graph, Node, ShapedArray, Value, infer
from kerasflow.passes.partition import Split, part_params, shorter, splits

Axes = Sequence[int | None]


def scan_splits(node: Node, samples: int, batch: Mapping[Value, int]) -> Iterator[Split]:
    """The way to cut a scan along the samples, if there is one.

    Args:
        batch: the axis along which a value holds samples.
    """
    fixed, carries = node.params["constants"], node.params["carries"]
    operands = [batch.get(v) for v in node.inputs]
    for i, v in enumerate(node.inputs[fixed : fixed + carries], start=fixed):
        # A first carry is mostly zeros, which tell nothing.
        if operands[i] is None and samples in v.aval.shape:
            operands[i] = v.aval.shape.index(samples)
    if 0 in operands[fixed + carries :] or node.params["length"] == 0:
        return
    inside = [*operands[: fixed + carries], *(a and a - 1 for a in operands[fixed + carries :])]
    found = _follow(node.params["body"], inside, samples)
    if found is None:
        return
    results = [axis for axis in found[1] if axis is not None]
    if results != found[1] or results[:carries] != inside[fixed : fixed + carries]:
        return
    joined = [*results[:carries], *(axis + 1 for axis in results[carries:])]
    yield Split(tuple(operands), joined[0], tuple(joined[1:]))


def _follow(body: Graph, inputs: Axes, samples: int) -> tuple[dict[Node, Split], list[int | None]] | None:
    """How each node that depends on samples is cut, and along which axis each result; None where one cannot be."""
    axes = {v: axis for v, axis in zip(body.inputs, inputs, strict=True) if axis is not None}
    chosen: dict[Node, Split] = {}
    for node in body.nodes:
        cut = tuple(axes.get(v) for v in node.inputs)
        if not any(axis is not None for axis in cut):
            continue
        fitting = (s for s in splits(node, samples) if s.operands == cut and s.result is not None)
        split = next(fitting, None) if len(node.outputs) == 1 else None
        if split is None or split.result is None:
            return None
        chosen[node] = split
        axes[node.outputs[0]] = split.result
    return chosen, [axes.get(v) for v in body.outputs]


def scan_part(node: Node, split: Split, samples: int, n: int, k: int = 1) -> dict[str, Any]:
    """The parameters with which a scan runs for k of n equal parts of the samples."""
    body, first = node.params["body"], node.params["constants"] + node.params["carries"]
    inside = [axis if i < first or axis is None else axis - 1 for i, axis in enumerate(split.operands)]
    found = _follow(body, inside, samples)
    assert found is not None
    chosen, _ = found
    env: dict[Value, Value] = {
        v: Value(ShapedArray(shorter(v.aval.shape, axis, n, k), v.aval.dtype))
        for v, axis in zip(body.inputs, inside, strict=True)
    }
    nodes = []
    for node_of_body in body.nodes:
        inputs = [env.get(v, v) for v in node_of_body.inputs]
        params = node_of_body.params
        if node_of_body in chosen:
            params = part_params(node_of_body, chosen[node_of_body], n, k)
        avals = infer(node_of_body.primitive, [v.aval for v in inputs], params)
        new = Node(node_of_body.primitive, inputs, params, avals, node_of_body.scope)
        nodes.append(new)
        env.update(zip(node_of_body.outputs, new.outputs, strict=True))
    graph = Graph([env[v] for v in body.inputs], nodes, [env.get(v, v) for v in body.outputs])
    return {**node.params, "body": graph}
