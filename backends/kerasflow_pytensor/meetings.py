"""Where ranks of a group meet, in the order in which the meetings stand in the graph, whatever PyTensor prefers."""

from __future__ import annotations

from typing import Any

import numpy as np
from pytensor.graph.basic import Apply, Variable
from pytensor.tensor.type import TensorType

from kerasflow.graph import Node
from kerasflow_pytensor.dtypes import Tensor, constant, tensor_type
from kerasflow_pytensor.numpys import NumpyFunction

_TURN = TensorType("int8", ())


class Meeting(NumpyFunction):
    """A meeting as NumPy's function, which takes one operand more, and gives one more: whose turn it is."""

    def make_node(self, *operands: Variable) -> Apply:
        return Apply(self, operands, [*(tensor_type(aval)() for aval in self.results), _TURN()])

    def perform(self, node: Apply, inputs: Any, output_storage: Any) -> None:
        super().perform(node, inputs[:-1], output_storage[:-1])
        output_storage[-1][0] = np.asarray(inputs[-1])


class Turns:
    """The meetings of one program, each after the one before."""

    def __init__(self) -> None:
        self._turn: Tensor = constant(np.int8(0), None)

    def meet(self, node: Node, tensors: list[Tensor]) -> list[Tensor]:
        """The results of a meeting."""
        meeting = Meeting(node.primitive, tuple(v.aval for v in node.inputs), node.params)
        *found, self._turn = meeting(*tensors, self._turn, return_list=True)
        return found
