"""Graphs as ONNX models: the table from primitives to operators, what is refused, and the file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from kerasflow.errors import ExportError
from kerasflow.exporting.onnx import arrays, control, elementwise, windows
from kerasflow.exporting.onnx.builder import Builder, Tensor
from kerasflow.exporting.refusal import refuse
from kerasflow.exporting.spelled import spell_out
from kerasflow.graph import Graph, Node, evaluate, printable

LOWERINGS = {**elementwise.LOWERINGS, **arrays.LOWERINGS, **windows.LOWERINGS}
WITH_NODE = {**arrays.WITH_NODE, **windows.WITH_NODE}

SUPPORTED = frozenset(LOWERINGS) | frozenset(WITH_NODE) | frozenset(control.LOWERINGS)

# What onnxruntime, on processors, computes in single precision alone.
WITHOUT_DOUBLE = frozenset(
    "tan arcsin arccos arctan arctan2 sinh cosh arcsinh arccosh arctanh erf erfc det "
    "convolution convolution_transpose".split()
)
# What ONNX has for floating-point numbers alone.
FLOATS_ONLY = frozenset({"convolution", "convolution_transpose"})

# The operators' definitions that are written, and the oldest in which all of them are.
OPSET, OLDEST_OPSET = 21, 18
# A file of protocol buffers cannot be larger.
LARGEST = 2**31 - 1


def check_onnx(graph: Graph) -> None:
    """Refuse a graph that needs more than ONNX's operators.

    Raises:
        ExportError: naming the primitives or dtypes, and the layers that they come from.
    """
    refuse(graph, "as ONNX", _lacks)


def _lacks(node: Node) -> Iterator[str]:
    name = node.primitive.name
    dtypes = dict.fromkeys(v.aval.dtype for v in (*node.inputs, *node.outputs))
    if name not in SUPPORTED:
        yield f"`{name}`"
    if name in WITHOUT_DOUBLE and np.dtype(np.float64) in dtypes:
        yield f"`{name}` in float64"
    if name in FLOATS_ONLY and any(dtype.kind != "f" for dtype in dtypes):
        yield f"`{name}` of {node.inputs[0].aval.dtype}"
    for dtype in dtypes:
        if dtype.kind in "Vc":
            yield f"the dtype {dtype.name}"


def onnx_model(
    graph: Graph,
    state: Sequence[np.ndarray[Any, Any]],
    inputs: Sequence[str],
    outputs: Sequence[str],
    name: str,
    version: str,
    opset: int = OPSET,
) -> Any:
    """The ONNX model that computes a graph.

    Args:
        graph: aligned (`align`), its state unchanged; it is changed here. state: the contents of each state input.
        inputs, outputs: a name for each. name: of the model. version: of this package.
        opset: which definitions of the operators.

    Returns:
        An `onnx.ModelProto` that ONNX's own checker has accepted.

    Raises:
        ExportError: it needs what ONNX does not have, or is too large for a file of protocol buffers.
        ValueError: an opset that is too old, or that the installed `onnx` does not know.
    """
    import onnx
    from onnx import helper

    newest = onnx.defs.onnx_opset_version()
    if not OLDEST_OPSET <= opset <= newest:
        raise ValueError(f"`opset_version` has to be from {OLDEST_OPSET} to {newest}; received {opset}")
    check_onnx(graph)
    spell_out(graph)
    if sum(array.nbytes for array in state) > LARGEST:
        raise ExportError("The weights are larger than the two gigabytes that an ONNX file can hold.")
    writer = _Writer()
    b = writer.builder
    given = [b.input(wish, v.aval) for wish, v in zip(inputs, graph.inputs, strict=True)]
    final = [b.name(wish) for wish in outputs]
    weights = [b.weight(wish, array) for wish, array in zip(graph.state_names, state, strict=True)]
    found = writer.run(graph, given, weights)
    b.scope = ""
    results = [Tensor(b, name, x.dtype) for name, x in zip(final, found, strict=True)]
    for x, result in zip(found, results, strict=True):
        b.nodes.append(helper.make_node("Identity", [x.name], [result.name], f"{result.name}/Identity"))
    proto = b.graph(
        printable(name),
        [(t, v.aval) for t, v in zip(given, graph.inputs, strict=True)],
        [(t, v.aval) for t, v in zip(results, graph.outputs, strict=True)],
    )
    opsets = [helper.make_opsetid("", opset)]
    model = helper.make_model(
        proto, producer_name="kerasflow", producer_version=version, opset_imports=opsets,
        ir_version=helper.find_min_ir_version_for(opsets),
    )  # fmt: skip
    onnx.checker.check_model(model, full_check=True)
    return model


class _Writer:
    def __init__(self) -> None:
        self.builder = Builder()

    def run(self, graph: Graph, operands: Sequence[Tensor], state: Sequence[Tensor] = ()) -> list[Tensor]:
        """Write a graph's nodes; its outputs."""
        return evaluate(graph, state, operands, self._apply, self.builder.constant)[0]

    def _run(self, graph: Graph, operands: Sequence[Tensor]) -> list[Tensor]:
        """The same for a sub-graph, which is a part of what is being written."""
        scope = self.builder.scope
        found = self.run(graph, operands)
        self.builder.scope = scope
        return found

    def _apply(self, node: Node, operands: Sequence[Tensor]) -> Sequence[Tensor]:
        b, name, params = self.builder, node.primitive.name, node.params
        b.scope = node.scope
        if name in control.LOWERINGS:
            return control.LOWERINGS[name](b, self._run, *operands, **params)
        if name in WITH_NODE:
            return [WITH_NODE[name](b, *operands, node=node, **params)]
        return [LOWERINGS[name](b, *operands, **params)]
