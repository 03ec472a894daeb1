"""Derivatives of products of a sparse matrix."""

from __future__ import annotations

from typing import Any

import numpy as np

from kerasflow.autodiff.joint import Joint
from kerasflow.tracing import apply


def _sparse_matmul(gs: Any, results: Any, operands: Any, wanted: Any, size: int) -> list[Any]:
    """Of a number: its row of the cotangent times its row of the dense matrix; of that: the transpose's product."""
    (g,), (values, rows, columns, dense) = gs, operands
    of_values = of_dense = None
    if wanted[0]:
        of_values = np.sum(apply("gather", g, rows) * apply("gather", dense, columns), axis=1)
    if wanted[3]:
        of_dense = apply("sparse_matmul", values, columns, rows, g, size=dense.shape[0])
    return [of_values, None, None, of_dense]


RULES: dict[str, Any] = {"sparse_matmul": Joint(_sparse_matmul)}
