"""Keras's core operations (`keras.src.backend.numpy.core`), gathered from the families."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from keras.src.backend.common.name_scope import current_path

from kerasflow.bridge.ops.control import (
    associative_scan,
    cond,
    fori_loop,
    map,
    scan,
    switch,
    vectorized_map,
    while_loop,
)
from kerasflow.bridge.ops.gradients import custom_gradient, grad, remat, stop_gradient
from kerasflow.bridge.ops.inference import compute_output_spec
from kerasflow.bridge.ops.slices import scatter, scatter_update, slice, slice_update
from kerasflow.bridge.ops.tensors import cast, convert_to_numpy, convert_to_tensor, is_tensor, shape
from kerasflow.bridge.variable import Variable
from kerasflow.compiler import use_device
from kerasflow.tracing import trace as trace_module

SUPPORTS_SPARSE_TENSORS = True
SUPPORTS_RAGGED_TENSORS = False
SUPPORTS_COMPLEX_DTYPES = True
SUPPORTS_GRADIENT = True
IS_THREAD_SAFE = False

# What Keras asks a backend of itself.
CAPABILITIES = (
    "IS_THREAD_SAFE",
    "SUPPORTS_COMPLEX_DTYPES",
    "SUPPORTS_GRADIENT",
    "SUPPORTS_RAGGED_TENSORS",
    "SUPPORTS_SPARSE_TENSORS",
)

# Recorded nodes carry the path of the layer or optimizer that made them.
trace_module.scope_provider = current_path


def unstack(x: Any, num: int | None = None, axis: int = 0) -> list[Any]:
    """The slices along an axis."""
    x = np.moveaxis(x, axis, 0)
    return [x[i] for i in range(x.shape[0])]


def random_seed_dtype() -> str:
    return "uint32"


@contextmanager
def device_scope(device_name: str) -> Iterator[None]:
    """Programs that are called in the block run on this device of their backend."""
    with use_device(device_name):
        yield


__all__ = [
    *CAPABILITIES,
    "Variable",
    "associative_scan",
    "cast",
    "compute_output_spec",
    "cond",
    "convert_to_numpy",
    "convert_to_tensor",
    "custom_gradient",
    "device_scope",
    "fori_loop",
    "grad",
    "is_tensor",
    "map",
    "random_seed_dtype",
    "remat",
    "scan",
    "scatter",
    "scatter_update",
    "shape",
    "slice",
    "slice_update",
    "stop_gradient",
    "switch",
    "unstack",
    "vectorized_map",
    "while_loop",
]
