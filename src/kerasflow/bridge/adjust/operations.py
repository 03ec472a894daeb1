"""Keras's own operations: those of its NumPy backend, and the one that asks no backend."""

from __future__ import annotations

import functools
from collections import ChainMap
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import numpy as np

from kerasflow.bridge.ops import numpy as overrides
from kerasflow.bridge.ops.results import serve_operations
from kerasflow.bridge.ops.tensors import as_tensors, cast, tensor
from kerasflow.bridge.signatures import drop_hints
from kerasflow.bridge.versions import LAYOUT
from kerasflow.tracing.sparse import SparseTensor


@contextmanager
def override_numpy(module: ModuleType) -> Iterator[None]:
    """Keras's own NumPy operations are served as they are, but for the few that do not trace."""
    yield
    for name, function in overrides.OVERRIDES.items():
        setattr(module, name, function)
    drop_hints(overrides.OVERRIDES.values())
    for name, wrap in overrides.AROUND.items():
        if name not in LAYOUT.absent:
            setattr(module, name, wrap(getattr(module, name)))
    serve_operations(module, module.__name__)
    SparseTensor.operations = ChainMap({"cast": cast}, vars(module))


@contextmanager
def give_items(module: ModuleType) -> Iterator[None]:
    """`get_item` is `x[key]` of whatever x is: of an array of NumPy's, which becomes a tensor here."""
    yield
    get_item = module.get_item

    @functools.wraps(get_item)
    def get_tensor(x: Any, key: Any) -> Any:
        if isinstance(x, (np.ndarray, list, tuple)):
            x = tensor(x)
        return as_tensors(get_item(x, key), (x,))

    module.get_item = get_tensor  # type: ignore[attr-defined]
