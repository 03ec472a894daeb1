"""Sparse tensors on their way to a model: Keras knows those of TensorFlow and JAX, and makes dense ones of the rest."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from keras.src import tree

from kerasflow.bridge.adjust.frameworks import leave_pandas
from kerasflow.bridge.ops.sparse import sparse_tensor
from kerasflow.bridge.sparse_rows import SparseRows, of_floatx
from kerasflow.bridge.versions import LAYOUT
from kerasflow.tracing.sparse import SparseTensor


@contextmanager
def slice_rows(module: ModuleType) -> Iterator[None]:
    """Arrays that `fit` is given are cut into batches, sparse tensors into sparse ones."""
    if LAYOUT.asks_pandas:
        with leave_pandas(module):
            yield
    else:
        yield
    convert = module.convert_to_sliceable

    @functools.wraps(convert)
    def convert_to_sliceable(arrays: Any, target_backend: str | None = None) -> Any:
        def one(x: Any) -> Any:
            return SparseRows(of_floatx(x)) if isinstance(x, SparseTensor) else convert(x, target_backend)

        return tree.map_structure(one, arrays)

    module.convert_to_sliceable = convert_to_sliceable  # type: ignore[attr-defined]


@contextmanager
def keep_sparse(module: ModuleType) -> Iterator[None]:
    """Batches of generators stay as they are where they are sparse."""
    yield
    get_iterator = module.get_numpy_iterator

    @functools.wraps(get_iterator)
    def get_numpy_iterator(iterable: Any) -> Iterator[Any]:
        hidden = (tree.map_structure(_hidden, batch, none_is_leaf=False) for batch in iterable)
        for batch in get_iterator(hidden):
            yield tree.map_structure(_shown, batch, none_is_leaf=False)

    module.get_numpy_iterator = get_numpy_iterator  # type: ignore[attr-defined]


class _Hidden:
    """Nothing that Keras would make an array of."""

    def __init__(self, x: SparseTensor) -> None:
        self.x = x


def _hidden(x: Any) -> Any:
    return _Hidden(x) if isinstance(x, SparseTensor) else x


def _shown(x: Any) -> Any:
    return x.x if isinstance(x, _Hidden) else x


@contextmanager
def take_sparse(module: ModuleType) -> Iterator[None]:
    """What a layer is given, SciPy's matrices say, becomes a tensor."""
    yield
    convert: Callable[..., Any] = module.DTypePolicy.convert_input

    @functools.wraps(convert)
    def convert_input(self: Any, x: Any, autocast: bool, dtype: Any) -> Any:
        return convert(self, sparse_tensor(x), autocast, dtype)

    module.DTypePolicy.convert_input = convert_input
