"""Derivatives of matrix products."""

from __future__ import annotations

from typing import Any

import numpy as np

from kerasflow.autodiff.joint import Joint
from kerasflow.primitives.linalg import split_subscripts
from kerasflow.tracing import apply


def _einsum(gs: Any, results: Any, operands: Any, wanted: Any, subscripts: str) -> list[Any]:
    """The product of the cotangent with all other operands.

    Letters that only this operand has were summed: their axes are broadcast
    back. A letter that it has twice was a diagonal: a mask puts it back.
    """
    (g,) = gs
    inputs, output = split_subscripts(subscripts)
    cotangents: list[Any] = []
    for i, want in enumerate(wanted):
        if not want:
            cotangents.append(None)
            continue
        letters, shape = inputs[i], operands[i].shape
        others = [j for j in range(len(operands)) if j != i]
        known = set(output).union(*(inputs[j] for j in others))
        unique = "".join(dict.fromkeys(letters))
        target = "".join(c for c in unique if c in known)
        terms = ",".join([output, *(inputs[j] for j in others)])
        part = apply("einsum", g, *(operands[j] for j in others), subscripts=f"{terms}->{target}")
        sizes = dict(zip(letters, shape, strict=True))
        part = np.reshape(part, tuple(sizes[c] if c in known else 1 for c in unique))
        part = np.broadcast_to(part, tuple(sizes[c] for c in unique))
        if len(unique) < len(letters):
            part = _onto_diagonal(part, unique, letters, shape)
        cotangents.append(part)
    return cotangents


def _onto_diagonal(part: Any, unique: str, letters: str, shape: tuple[int, ...]) -> Any:
    """An array over `unique` letters as one over `letters`, zero off the diagonals of repeated letters."""
    seen: dict[str, int] = {}
    mask = np.ones(shape, bool)
    for axis, letter in enumerate(letters):
        if letter in seen:
            first = np.arange(shape[axis]).reshape(
                [-1 if a == seen[letter] else 1 for a in range(len(letters))]
            )
            again = np.arange(shape[axis]).reshape([-1 if a == axis else 1 for a in range(len(letters))])
            mask &= first == again
        else:
            seen[letter] = axis
    first_axes = [seen[c] for c in unique]
    ordered = np.transpose(part, np.argsort(first_axes).tolist())
    spread = np.reshape(ordered, tuple(n if a in first_axes else 1 for a, n in enumerate(shape)))
    return np.where(mask, spread, np.zeros((), part.dtype))


RULES: dict[str, Any] = {
    "matmul": (
        lambda g, r, x, y: np.matmul(g, np.swapaxes(y, -1, -2)),
        lambda g, r, x, y: np.matmul(np.swapaxes(x, -1, -2), g),
    ),
    "einsum": Joint(_einsum),
}
