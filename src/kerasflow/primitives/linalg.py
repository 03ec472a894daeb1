"""Matrix products."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from kerasflow.graph import Primitive, ShapedArray
from kerasflow.primitives.elementwise import broadcast_shapes


def _in_float32(function: Callable[..., Any]) -> Callable[..., Any]:
    """NumPy has no products of extension dtypes such as bfloat16: compute them in float32 and round."""

    def evaluate(*operands: Any, **params: Any) -> Any:
        dtype = operands[0].dtype
        if dtype.kind != "V":
            return function(*operands, **params)
        return np.asarray(function(*(x.astype(np.float32) for x in operands), **params)).astype(dtype)

    return evaluate


def _matmul_rule(x: ShapedArray, y: ShapedArray) -> ShapedArray:
    if x.ndim < 2 or y.ndim < 2 or x.shape[-1] != y.shape[-2] or x.dtype != y.dtype:
        raise ValueError(f"matmul: operands {x} and {y} do not fit")
    batch = broadcast_shapes(x.shape[:-2], y.shape[:-2])
    return ShapedArray((*batch, x.shape[-2], y.shape[-1]), x.dtype)


def split_subscripts(subscripts: str) -> tuple[list[str], str]:
    """`"ij,jk->ik"` as `(["ij", "jk"], "ik")`."""
    inputs, output = subscripts.split("->")
    return inputs.split(","), output


def _einsum_rule(*operands: ShapedArray, subscripts: str) -> ShapedArray:
    inputs, output = split_subscripts(subscripts)
    sizes: dict[str, int] = {}
    for letters, operand in zip(inputs, operands, strict=True):
        if len(letters) != operand.ndim:
            raise ValueError(f"einsum: subscripts {letters!r} do not fit an operand of shape {operand.shape}")
        for letter, n in zip(letters, operand.shape, strict=True):
            if sizes.setdefault(letter, n) != n:
                raise ValueError(
                    f"einsum: size of label {letter!r} is {sizes[letter]} in one operand and {n} in another "
                    f"({subscripts!r}, shapes {[o.shape for o in operands]})"
                )
    return ShapedArray(tuple(sizes[letter] for letter in output), operands[0].dtype)


def _einsum(*operands: Any, subscripts: str) -> Any:
    return np.einsum(subscripts, *operands, optimize=len(operands) > 1)


# Two matrices or stacks of matrices, batch axes broadcast.
matmul = Primitive("matmul", _in_float32(np.matmul), _matmul_rule)
# Explicit subscripts without ellipsis: "ij,jk->ik".
einsum = Primitive("einsum", _in_float32(_einsum), _einsum_rule)

PRIMITIVES: tuple[Primitive, ...] = (matmul, einsum)
