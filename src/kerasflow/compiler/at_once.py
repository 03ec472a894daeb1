"""Operations outside of programs, computed at once: the heavy ones as programs of one node.

NumPy has no convolution, and its meaning of one, a window place by place, is for reading. It multiplies large
matrices with threads of BLAS's own, which wait for each other by spinning; so does SciPy's LAPACK, for small ones too.
The NumPy backend has kernels for these, and a program of one node costs ten microseconds a call and less than a
millisecond to make; each is made once for each kind of operands. Eager arrays are NumPy's whichever backend is chosen,
and so are these programs.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kerasflow.compiler.finite import check
from kerasflow.compiler.nans import is_checked
from kerasflow.compiler.registry import current_backend
from kerasflow.graph import Graph, Node, Primitive, ShapedArray, Value, evaluate_node, infer, locate

# From so many multiplications on BLAS takes threads of its own.
_THREADED = 1 << 18
# From so many on NumPy's own product of float16 takes longer than a program, which multiplies float32.
_SLOW = 1 << 12
# A sum of so many numbers is worth a program, which has BLAS add them up.
MANY = 1 << 15
_KEPT = 1024  # programs: a few kilobytes each


def _large(*avals: ShapedArray) -> bool:
    least = _SLOW if avals[0].dtype == np.float16 else _THREADED
    return avals[0].size * avals[1].shape[-1] > least if avals[1].ndim else False


def _always(*avals: ShapedArray) -> bool:
    return True


# When an operation is worth a program, by the types of its operands.
KERNELS: dict[str, Callable[..., bool]] = {
    "cofactors": _always,
    "convolution": _always,
    "convolution_kernel": _always,
    "convolution_transpose": _always,
    "einsum": _always,
    "lstsq": _always,
    "lu": _always,
    "matmul": _large,
    "max_pool": _always,
    "max_pool_take": _always,
    "max_pool_vjp": _always,
    "solve_triangular": _always,
    "sparse_matmul": _always,
    "sum": lambda x: x.size >= MANY,
}


def compute(node: Node, arrays: Sequence[Any]) -> tuple[Any, ...]:
    """What `evaluate_node` computes: NumPy arrays, always a tuple.

    Raises:
        Exception: what NumPy raises, with the node's scope in the message.
        NonFiniteError: if NaN and infinity are looked for, and the node makes them.
    """
    results = _computed(node, arrays)
    if is_checked(node.scope):
        check(node, arrays, results)
    return results


def _computed(node: Node, arrays: Sequence[Any]) -> tuple[Any, ...]:
    worth = KERNELS.get(node.primitive.name)
    if worth is None or not worth(*(avals := tuple(v.aval for v in node.inputs))):
        return evaluate_node(node, arrays)
    try:
        return tuple(_program(node.primitive, avals, tuple(node.params.items()))((), arrays)[0])
    except Exception as error:
        locate(error, node.scope)
        raise


@functools.lru_cache(_KEPT)
def _program(
    primitive: Primitive, avals: tuple[ShapedArray, ...], params: tuple[tuple[str, Any], ...]
) -> Callable[..., Any]:
    inputs = [Value(aval) for aval in avals]
    node = Node(primitive, inputs, dict(params), infer(primitive, avals, dict(params)))
    return current_backend("numpy").compile(Graph(inputs, [node], list(node.outputs)))
