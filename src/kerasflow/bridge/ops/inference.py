"""The shapes of results without execution."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from keras.src import tree
from keras.src.backend.common import standardize_dtype
from keras.src.backend.common.keras_tensor import KerasTensor
from keras.src.backend.common.stateless_scope import StatelessScope
from keras.src.backend.common.symbolic_scope import SymbolicScope

from kerasflow.bridge.host import numpy_dtype
from kerasflow.graph import ShapedArray
from kerasflow.tracing import Trace, Tracer, adopted, known, recording
from kerasflow.tracing.sparse import SparseTensor, index_dtype

# A dimension that is unknown (None) is tried with both sizes; where the results differ it is unknown too.
_FILLS = (83, 89)
# So many numbers a sparse tensor has.
_STORED = 1


def compute_output_spec(fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """The output of `fn` as `KerasTensor`s: only shape rules run, nothing is computed."""

    def is_partial(x: Any) -> bool:
        return isinstance(x, KerasTensor) and None in x.shape

    def infer(fill: int) -> Any:
        trace = Trace(sizes_are_real=False)
        trace.given = []

        def abstract(x: Any) -> Any:
            if isinstance(x, Tracer):  # A layer is being built by a call that is being recorded.
                return trace.add_input(x.aval, known(x))
            if not isinstance(x, KerasTensor):
                return x
            full = tuple(fill if n is None else n for n in x.shape)
            dtype = numpy_dtype(standardize_dtype(x.dtype))
            if not x.sparse:
                return trace.add_input(ShapedArray(full, dtype))
            # How many numbers are stored does not matter.
            parts = (*[np.dtype(index_dtype(full))] * len(full), dtype)
            *coords, values = (trace.add_input(ShapedArray((_STORED,), part)) for part in parts)
            return SparseTensor.of(coords, values, full)

        # A stateless scope of its own: what the other trace assigned means nothing here.
        with StatelessScope(), SymbolicScope(), recording(trace):
            a, k = tree.map_structure(abstract, (args, kwargs))
            return tree.map_structure(adopted, fn(*a, **k))

    outputs = infer(_FILLS[0])
    others = outputs
    if any(map(is_partial, tree.flatten((args, kwargs)))):
        others = infer(_FILLS[1])

    def spec(x: Any, y: Any) -> Any:
        if not isinstance(x, (np.ndarray, np.generic, Tracer, SparseTensor)):
            return x
        dims = tuple(n if n == m else None for n, m in zip(x.shape, y.shape, strict=True))
        return KerasTensor(dims, standardize_dtype(x.dtype), sparse=isinstance(x, SparseTensor))

    return tree.map_structure(spec, outputs, others)
