"""Products of a sparse matrix, of which the numbers that are not zero are given with their places."""

from __future__ import annotations

from typing import Any

import numpy as np

from kerasflow.graph import Node, Primitive, ShapedArray
from kerasflow.primitives.indexing import out_of_bounds


def _sparse_matmul(values: Any, rows: Any, columns: Any, dense: Any, size: int) -> Any:
    # float16 and bfloat16 are added up in single precision.
    wide = np.result_type(dense.dtype, np.float32) if dense.dtype.itemsize == 2 else dense.dtype
    result = np.zeros((size, dense.shape[1]), wide)
    np.add.at(result, rows, values[:, None].astype(wide) * dense[columns].astype(wide))
    return result.astype(dense.dtype)


def _sparse_matmul_rule(
    values: ShapedArray, rows: ShapedArray, columns: ShapedArray, dense: ShapedArray, size: int
) -> ShapedArray:
    fits = values.ndim == 1 and values.shape == rows.shape == columns.shape
    if not fits or dense.ndim != 2 or values.dtype != dense.dtype:
        raise ValueError(
            f"sparse_matmul: values {values} at rows {rows} and columns {columns} do not fit {dense}"
        )
    return ShapedArray((size, dense.shape[1]), dense.dtype)


def _outside(node: Node, arrays: Any) -> IndexError | None:
    _, rows, columns, dense = arrays
    pairs = ((rows, node.params["size"], 0), (columns, dense.shape[0], 1))
    return next((error for given in pairs if (error := out_of_bounds(*given))), None)


# The product of a matrix of `size` rows and of dense: `result[rows[i]] += values[i] * dense[columns[i]]` for each i.
# Places may come several times, and in any order. With rows and columns exchanged it is that of the transpose.
sparse_matmul = Primitive("sparse_matmul", _sparse_matmul, _sparse_matmul_rule, failure=_outside)

PRIMITIVES: tuple[Primitive, ...] = (sparse_matmul,)
