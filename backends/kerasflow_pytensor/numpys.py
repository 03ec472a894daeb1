"""NumPy's own function as an operation of PyTensor.

It computes what PyTensor has no operation for, with the primitive's own meaning, and everything in dtypes that PyTensor
does not have.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.op import Op

from kerasflow.graph import Primitive, ShapedArray, infer
from kerasflow_pytensor.dtypes import Array, carrier, is_foreign, tensor_type


class NumpyFunction(Op):
    """A primitive on arrays, as `primitive.evaluate` has it.

    Args:
        inputs: the types of its operands, as the graph has them. params: the primitive's parameters.
    """

    __props__ = ("primitive", "inputs", "params")

    def __init__(self, primitive: Primitive, inputs: tuple[ShapedArray, ...], params: dict[str, Any]) -> None:
        self.primitive = primitive
        self.inputs = inputs
        self.params = tuple(params.items())
        self.results = infer(primitive, inputs, params)
        # Element by element NumPy makes new arrays of what PyTensor has too.
        avals = (*inputs, *self.results)
        self.plain = isinstance(primitive.evaluate, np.ufunc) and not any(is_foreign(a.dtype) for a in avals)

    def __str__(self) -> str:
        return f"NumPy[{self.primitive.name}]"

    def make_node(self, *operands: Variable) -> Apply:
        return Apply(self, operands, [tensor_type(aval)() for aval in self.results])

    def perform(self, node: Apply, inputs: Any, output_storage: Any) -> None:
        if self.plain:
            output_storage[0][0] = np.asarray(self.primitive.evaluate(*inputs))
            return
        # The bits of foreign dtypes are read as what they mean, and back.
        operands = [x.view(aval.dtype) for x, aval in zip(inputs, self.inputs, strict=True)]
        found = self.primitive.evaluate(*operands, **dict(self.params))
        results = found if self.primitive.multiple_results else (found,)
        for storage, result, aval in zip(output_storage, results, self.results, strict=True):
            storage[0] = _own(np.asarray(result), operands).view(carrier(aval.dtype))


def _own(result: Array, operands: list[Array]) -> Array:
    """The result in memory of its own: PyTensor may write into it, or into an operand."""
    return result.copy() if any(np.may_share_memory(result, x) for x in operands) else result
