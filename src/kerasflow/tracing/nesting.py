"""What functions take and give, nested, as a flat list of arrays and back: a sparse tensor is several of them."""

from __future__ import annotations

import functools
from typing import Any

import optree

from kerasflow.tracing.sparse import SparseTensor, parts

_NAMESPACE = "kerasflow"


def _flatten(x: SparseTensor) -> Any:
    found = parts(x)
    names = (*(f"axis_{i}" for i in range(len(x.coords))), "values")
    return found, (x.shape, x.is_unique), names


def _unflatten(known: Any, arrays: Any) -> SparseTensor:
    shape, is_unique = known
    *coords, values = arrays
    return SparseTensor.of(coords, values, shape, is_unique)


optree.register_pytree_node(SparseTensor, _flatten, _unflatten, namespace=_NAMESPACE)


def flatten(x: Any) -> tuple[list[Any], Any]:
    """The leaves of a nested structure, and how they are nested."""
    leaves, structure = optree.tree_flatten(x, namespace=_NAMESPACE)
    return list(leaves), structure


@functools.lru_cache(256)
def sparse_rows(structure: Any) -> int | None:
    """How many rows the first sparse tensor has of those that are nested so; None if there is none."""
    found = unflatten(structure, [None] * structure.num_leaves)
    leaves = optree.tree_leaves(found, is_leaf=lambda x: isinstance(x, SparseTensor), none_is_leaf=True)
    return next((x.shape[0] for x in leaves if isinstance(x, SparseTensor) and x.shape), None)


def unflatten(structure: Any, leaves: Any) -> Any:
    """A nested structure of leaves."""
    return optree.tree_unflatten(structure, leaves)
