"""Which operations are compiled as C: loops over many elements. The others call NumPy.

The C compiler takes about a second for each operation that is new to it, and a training step has a hundred; NumPy's
functions are there at once, and as fast where one call does much work, or little.
"""

from __future__ import annotations

from typing import Any

from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.op import Op
from pytensor.graph.rewriting.basic import GraphRewriter
from pytensor.link.c.op import COp
from pytensor.tensor.elemwise import Elemwise

from kerasflow_pytensor.products import Product, is_large


class Interpreted(Op):
    """An operation without its C code."""

    __props__ = ("op",)

    def __init__(self, op: Op) -> None:
        self.op = op
        self.view_map = op.view_map
        self.destroy_map = op.destroy_map

    def __str__(self) -> str:
        return str(self.op)

    def make_node(self, *inputs: Variable) -> Apply:
        return Apply(self, inputs, [v.type() for v in self.op.make_node(*inputs).outputs])

    def perform(self, node: Apply, inputs: Any, output_storage: Any) -> None:
        self.op.perform(node, inputs, output_storage)

    def make_thunk(
        self, node: Apply, storage_map: Any, compute_map: Any, no_recycling: Any, impl: str | None = None
    ) -> Any:
        return self.op.make_thunk(node, storage_map, compute_map, no_recycling, impl="py")


class Interpret(GraphRewriter):
    """Takes the C code from all operations but those element by element, and cuts large products into parts.

    Args:
        threads: how many a large product of matrices may use.
    """

    def __init__(self, threads: int) -> None:
        self.threads = threads

    def apply(self, fgraph: FunctionGraph) -> None:
        for node in fgraph.toposort():
            op: Op
            if self.threads > 1 and is_large(node):
                op = Product(self.threads)
            elif isinstance(node.op, COp) and not isinstance(node.op, Elemwise):
                op = Interpreted(node.op)
            else:
                continue
            new = Apply(op, node.inputs, [v.type() for v in node.outputs])
            pairs = list(zip(node.outputs, new.outputs, strict=True))
            fgraph.replace_all(pairs, reason="interpreted", import_missing=True)
