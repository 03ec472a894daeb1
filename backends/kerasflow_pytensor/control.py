"""Conditionals and loops.

A conditional is PyTensor's lazy one: nodes of the other branch are not computed. A loop is an operation that calls a
function compiled from its body: unlike `pytensor.scan` it may take no step at all, and its number of steps need not
be known.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
from pytensor.compile.mode import Mode
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.op import Op

from kerasflow.graph import Graph, Node
from kerasflow_pytensor.dtypes import Array, Tensor, tensor_type
from kerasflow_pytensor.modes import CXXFLAGS

try:
    from pytensor.conditional import ifelse
except ModuleNotFoundError:  # before PyTensor 3.3, which warns of the old place
    from pytensor.ifelse import ifelse

# Graphs as tensors, and as functions of arrays.
Run = Callable[[Graph, Sequence[Tensor]], list[Tensor]]
Function = Callable[..., list[Any]]


def function(
    inputs: Sequence[Tensor], outputs: Sequence[Tensor], mode: Mode, updates: Sequence[Any] = ()
) -> Function:
    """A PyTensor function that takes arrays of exactly its inputs' types."""
    flags = f"{pytensor.config.gcc__cxxflags} {CXXFLAGS}".strip()
    with warnings.catch_warnings(), pytensor.config.change_flags(gcc__cxxflags=flags):
        # That Numba calls Python for NumPy's functions is what is wanted.
        warnings.filterwarnings("ignore", "Numba will use object mode", UserWarning)
        found = pytensor.function(inputs, outputs, mode=mode, updates=updates, on_unused_input="ignore")
    found.trust_input = True
    return found


def compiled(graph: Graph, run: Run, mode: Mode) -> Function:
    """A graph without state as a PyTensor function from arrays to a list of arrays."""
    inputs = [tensor_type(v.aval)() for v in graph.inputs]
    return function(inputs, run(graph, inputs), mode)


class Loop(Op):
    """A `while_loop` or a `scan`; each has compiled functions for its sub-graphs.

    Two of them are the same only if they are one.
    """

    def __init__(self, node: Node, run: Run, mode: Mode) -> None:
        self.results = [v.aval for v in node.outputs]
        self.steps = _LOOPS[node.primitive.name](node.params, lambda graph: compiled(graph, run, mode))

    def make_node(self, *operands: Variable) -> Apply:
        return Apply(self, operands, [tensor_type(aval)() for aval in self.results])

    def perform(self, node: Apply, inputs: Any, output_storage: Any) -> None:
        results = self.steps(*inputs, types=[v.type for v in node.outputs])
        for storage, result in zip(output_storage, results, strict=True):
            # A carry that took no step is an operand, into which others may write.
            taken = any(result is x for x in inputs)
            storage[0] = np.array(result) if taken else np.asarray(result)


def _while_loop(params: dict[str, Any], compile: Callable[[Graph], Function]) -> Callable[..., Sequence[Any]]:
    cond, body = compile(params["cond"]), compile(params["body"])
    constants, maximum = params["constants"], params["maximum"]

    def steps(*operands: Array, types: Any) -> Sequence[Any]:
        fixed, carried = operands[:constants], list(operands[constants:])
        count = 0
        while count != maximum and cond(*fixed, *carried)[0]:
            carried = body(*fixed, *carried)
            count += 1
        return carried

    return steps


def _scan(params: dict[str, Any], compile: Callable[[Graph], Function]) -> Callable[..., Sequence[Any]]:
    body, length = compile(params["body"]), params["length"]
    constants, carries = params["constants"], params["carries"]
    order = range(length)[:: -1 if params["reverse"] else 1]

    def steps(*operands: Array, types: Any) -> Sequence[Any]:
        fixed, carried = operands[:constants], operands[constants : constants + carries]
        stacked = operands[constants + carries :]
        results = [np.empty(t.shape, t.dtype) for t in types[carries:]]
        for i in order:
            found = body(*fixed, *carried, *(x[i, ...] for x in stacked))
            carried = tuple(found[:carries])
            for result, y in zip(results, found[carries:], strict=True):
                result[i] = y
        return (*carried, *results)

    return steps


_LOOPS = {"while_loop": _while_loop, "scan": _scan}


def switch(node: Node, tensors: Sequence[Tensor], run: Run) -> list[Tensor]:
    """The branch with the number that the first tensor holds."""
    index, *operands = tensors
    first, *others = [run(branch, operands) for branch in node.params["branches"]]
    if not first:
        return []
    chosen = first
    for i, results in enumerate(others, 1):
        # Of two, the second where the index is true.
        here = index if index.dtype == "bool" else pt.eq(index, np.int32(i))
        chosen = ifelse(here, results, chosen)
    return list(chosen)
