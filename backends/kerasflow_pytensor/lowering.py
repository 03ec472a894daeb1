"""The lowering table: what each primitive is in PyTensor; graphs, node by node.

A primitive is PyTensor's own operations where these mean what NumPy's function means (`NATIVE`, with the kinds of
dtypes for which they do), and NumPy's own function as an operation of PyTensor elsewhere: by name (`NUMPYS`), by dtype
(what `NATIVE` does not list, and what PyTensor cannot compute with), for the few forms that a lowering answers with
`NotImplemented`, and where compiling a loop would not pay (`modes`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kerasflow.graph import Graph, Node, Value, evaluate
from kerasflow.primitives import PRIMITIVES
from kerasflow.primitives.collective import MEETINGS
from kerasflow.primitives.elementwise import resolve_dtypes
from kerasflow_pytensor import arrays, control, elementwise, windows
from kerasflow_pytensor.dtypes import Array, Lowering, Tensor, carrier, constant, is_foreign, tensor_type
from kerasflow_pytensor.meetings import Turns
from kerasflow_pytensor.modes import Settings
from kerasflow_pytensor.numpys import NumpyFunction

NATIVE: dict[str, tuple[Lowering, str]] = {**elementwise.NATIVE, **arrays.NATIVE, **windows.NATIVE}

# What PyTensor has no operation for, or one that means something else: integer division by zero, the sign of zero,
# the last NaN, a minimum as `-max(-x)` (the smallest integer has no negative). Decompositions and transforms are
# LAPACK's and pocketfft's either way.
NUMPYS = frozenset(
    (
        "cbrt rint spacing signbit floor_divide remainder fmod fmax fmin logaddexp2 hypot heaviside copysign nextafter "
        "ldexp gcd lcm left_shift right_shift erfinv gammaln digamma i0 i1 ndtri polygamma gammainc complex real imag "
        "argmin view min einsum cholesky solve solve_triangular lstsq det cofactors slogdet lu qr svd eigh eig "
        "fft ifft rfft irfft collect_rows top_k sparse_matmul random_bits random_gamma_grad own_part random_part"
    ).split()
)
CONTROL = frozenset("switch while_loop scan custom_vjp".split())

SUPPORTED = (NUMPYS | CONTROL | MEETINGS | frozenset(NATIVE)) & frozenset(PRIMITIVES)
# Nothing: what PyTensor cannot do NumPy does.
REFUSED: dict[str, str] = {}


def is_native(node: Node) -> bool:
    """Whether PyTensor's own operation means what the primitive does, for these dtypes."""
    name = node.primitive.name
    dtypes = [v.aval.dtype for v in (*node.inputs, *node.outputs)]
    if name not in NATIVE or any(map(is_foreign, dtypes)):
        return False
    given = tuple(dtypes[: len(node.inputs)])
    if name in elementwise.UFUNCS and resolve_dtypes(getattr(np, name), given)[:-1] != given:
        return False
    # Conditions and indices are of no interest.
    return dtypes[1 if name == "where" else 0].kind in NATIVE[name][1]


class Lowered:
    """Graphs as PyTensor's tensors.

    Args:
        settings: for the bodies of loops, and for what is NumPy's because it is small.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.turns = Turns()

    def run(self, graph: Graph, tensors: Sequence[Tensor]) -> list[Tensor]:
        """The outputs of a graph without state."""
        return self.results(graph, [], tensors)[0]

    def results(
        self, graph: Graph, state: Sequence[Tensor], inputs: Sequence[Tensor]
    ) -> tuple[list[Tensor], list[Tensor]]:
        """The outputs and the new state of a graph on tensors."""

        def apply(node: Node, tensors: Sequence[Tensor]) -> list[Tensor]:
            return list(map(_typed, node.outputs, self.node(node, list(tensors))))

        return evaluate(graph, state, inputs, apply, _held)

    def node(self, node: Node, tensors: list[Tensor]) -> list[Tensor]:
        """A node's results."""
        name = node.primitive.name
        if name == "custom_vjp":
            return tensors[len(tensors) - node.params["outputs"] :]
        if name == "switch":
            return control.switch(node, tensors, self.run)
        if name in MEETINGS:
            return self.turns.meet(node, tensors)
        if name in CONTROL:
            return list(control.Loop(node, self.run, self.settings.mode)(*tensors, return_list=True))
        is_loop = node.primitive.elementwise or name in windows.POOLING
        small = is_loop and node.outputs[0].aval.size < self.settings.native_from
        if is_native(node) and not small:
            found = NATIVE[name][0](*tensors, **node.params)
            if found is not NotImplemented:
                return [found]
        function = NumpyFunction(node.primitive, tuple(v.aval for v in node.inputs), node.params)
        return list(function(*tensors, return_list=True))


def _held(array: Array) -> Tensor:
    """A constant as PyTensor holds its dtype."""
    return constant(array.view(carrier(array.dtype)), None)


def _typed(value: Value, tensor: Tensor) -> Tensor:
    """The tensor, known to be of the value's type."""
    wanted = tensor_type(value.aval)
    if tensor.type != wanted:
        tensor = wanted.filter_variable(tensor)
    return tensor
