"""What Keras's tests use of JAX's sparse tensors, of kerasflow's: they make such by a branch for each backend.

A function that names `jax_sparse` has a branch for JAX. It is told that the backend is "jax", and finds these in place
of JAX's modules.
"""

from __future__ import annotations

import types
from collections.abc import Sequence
from typing import Any

import numpy as np

from kerasflow import SparseTensor


def names_sparse(code: types.CodeType) -> bool:
    """Whether a function makes JAX's sparse tensors, or asks for them."""
    return "jax_sparse" in (*code.co_varnames, *code.co_cellvars, *code.co_freevars)


class BCOO:
    """JAX's constructor: places may have axes of batches before them, along which there are as many in each."""

    def __new__(cls, parts: tuple[Any, Any], *, shape: Sequence[int]) -> Any:
        values, indices = parts
        indices = np.asarray(indices)
        batch = indices.ndim - 2
        if batch:
            values, count = np.asarray(values), indices.shape[batch]
            indices = np.broadcast_to(indices, (*shape[:batch], *indices.shape[batch:]))
            values = np.broadcast_to(values, (*shape[:batch], *values.shape[batch:]))
            outer = np.stack(np.meshgrid(*map(np.arange, shape[:batch]), indexing="ij"), axis=-1)
            outer = np.repeat(outer.reshape(-1, batch), count, axis=0)
            indices = np.concatenate([outer, indices.reshape(len(outer), -1)], axis=1)
            values = values.reshape(len(outer), *values.shape[batch + 1 :])
        return SparseTensor(indices, values, shape)

    @staticmethod
    def fromdense(x: Any, **_: Any) -> Any:
        x = np.asarray(x)
        places = np.nonzero(x)
        return SparseTensor(np.stack(places, axis=1), x[places], x.shape)


def modules(**names: Any) -> dict[str, types.ModuleType]:
    """Modules in place of JAX's, with these names besides in `jax`."""
    jax, experimental, sparse = (
        types.ModuleType(f"jax{end}") for end in ("", ".experimental", ".experimental.sparse")
    )
    vars(sparse).update(BCOO=BCOO, JAXSparse=SparseTensor)
    vars(experimental).update(sparse=sparse)
    vars(jax).update(names, numpy=np, experimental=experimental)
    return {module.__name__: module for module in (jax, experimental, sparse)} | {"jax.numpy": np}
