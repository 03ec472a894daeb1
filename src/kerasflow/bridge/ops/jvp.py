"""Forward-mode derivatives, by reverse mode applied twice.

The vector-Jacobian product of weights w, `g = Jᵀ w`, is linear in w: the derivative of
`g · tangents` with respect to w is `J · tangents` (J. Townsend, "A new trick for
calculating Jacobian vector products", 2017).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from keras.src import tree

from kerasflow.autodiff import GradientTape
from kerasflow.bridge.ops.tensors import cast, tensor
from kerasflow.tracing import Tracer, current_trace


def jvp(fun: Callable[..., Any], primals: Any, tangents: Any, has_aux: bool = False) -> Any:
    """The value of a function and its derivative along tangents.

    Args:
        primals, tangents: sequences with one (nested structure of) arrays for each argument of `fun`, of the same
            structure and shapes.
        has_aux: `fun` returns a pair, the second part of which is passed on.

    Returns:
        `(outputs, output tangents)`, followed by the auxiliary part if `has_aux`.

    Raises:
        ValueError: if primals and tangents differ in number or shape.
    """
    primals = tree.map_structure(tensor, tuple(primals))
    directions = [tensor(t) for t in tree.flatten(tuple(tangents))]
    shapes = [x.shape for x in tree.flatten(primals)], [t.shape for t in directions]
    if shapes[0] != shapes[1]:
        raise ValueError(
            f"`jvp` needs a tangent of the same shape for each primal. Received primals of shapes {shapes[0]} and "
            f"tangents of shapes {shapes[1]}"
        )
    outside = current_trace() is None
    with GradientTape(watch_accessed_variables=False) as along_weights:
        with GradientTape(watch_accessed_variables=False) as tape:
            points = tree.map_structure(tape.watch, primals)
            result = fun(*points)
        outputs, aux = result if has_aux else (result, None)
        leaves = [tensor(y) for y in tree.flatten(outputs)]
        weights = [along_weights.watch(np.zeros(y.shape, y.dtype)) for y in leaves]
        inputs = tree.flatten(points)
        gradients = tape.gradient(leaves, inputs, output_gradients=weights, unconnected_gradients="zero")
        pairs = zip(gradients, directions, strict=True)
        total = sum(np.sum(np.real(np.conjugate(g) * cast(t, g.dtype))) for g, t in pairs)
    found = along_weights.gradient(total, weights, unconnected_gradients="zero")
    out_tangents = tree.pack_sequence_as(outputs, list(found))
    parts = (outputs, out_tangents, aux) if has_aux else (outputs, out_tangents)
    if not outside:
        return parts
    return tree.map_structure(lambda x: np.array(x) if isinstance(x, Tracer) else x, parts)
