"""Layers that run on the host, before the program of a step: those that look strings up, say."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import optree
from keras.src.backend.common import global_state, standardize_dtype
from keras.src.backend.common.keras_tensor import KerasTensor

from kerasflow.errors import TracingError
from kerasflow.graph import ShapedArray
from kerasflow.tracing import TextTracer, Trace, Tracer, at_user_line, current_trace, on_host

# Keras's name for what the call of a layer tells those inside it: whether it is training, say.
_CONTEXT = "current_call_ctx"


def declines(layer: Any) -> bool:
    """Whether a layer says that it cannot be compiled (`supports_jit`): those that look strings up, say.

    Keras's layers for images say so too, of XLA; here they are compiled.
    """
    # Keras loads its layers after what is mixed into them.
    from keras.src.layers.preprocessing.image_preprocessing import base_image_preprocessing_layer as images

    return not (layer.supports_jit or isinstance(layer, images.BaseImagePreprocessingLayer))


def name_of(layer: Any) -> str:
    """What errors call a layer: where it is in its model; by its name as long as nobody knows."""
    return layer.path or layer.name


def call_layer(layer: Any, call: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The call of a layer, as a part of the program that is being recorded, or on the host before it.

    There run layers that cannot be compiled, and those without variables that are given strings.

    Args:
        call: the layer's own.

    Raises:
        TracingError: the layer cannot be compiled, and cannot run before the program.
    """
    root = current_trace()
    while root is not None and root.parent is not None:
        root = root.parent
    if root is None or root.given is None:
        return call(*args, **kwargs)
    must = declines(layer)
    if must and layer.variables and root.sizes_are_real:
        raise TracingError(
            at_user_line(f"The layer {layer.path!r} says that it cannot be compiled (`supports_jit`)")
        )
    if layer.variables or (not must and (_is_model(layer) or not _has_text((args, kwargs)))):
        return call(*args, **kwargs)
    try:
        return on_host(_alone(layer, call), args, kwargs, name_of(layer))
    except TracingError:
        if not must:
            return call(*args, **kwargs)
        if root.sizes_are_real:
            raise
        return _inferred(layer, root, args, kwargs)


def _inferred(layer: Any, trace: Trace, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What the layer says that it gives, where shapes alone are known."""

    def symbolic(x: Any) -> Any:
        return KerasTensor(x.shape, standardize_dtype(x.dtype)) if isinstance(x, Tracer) else x

    def abstract(x: Any) -> Any:
        return trace.add_input(ShapedArray(x.shape, numpy_dtype(x.dtype)))

    args, kwargs = optree.tree_map(symbolic, (args, kwargs))
    return optree.tree_map(abstract, layer.compute_output_spec(*args, **kwargs))


def numpy_dtype(name: str) -> np.dtype[Any]:
    """NumPy's dtype for Keras's name of one."""
    return np.dtype(object if name == "string" else name)


def _is_model(layer: Any) -> bool:
    from keras.src.models.model import Model  # as in `declines`

    return isinstance(layer, Model)


def _has_text(arguments: Any) -> bool:
    return any(isinstance(leaf, TextTracer) for leaf in optree.tree_leaves(arguments))


def _alone(layer: Any, call: Callable[..., Any]) -> Callable[..., Any]:
    """The call as it is inside those of the layers around it, when they are not there."""
    context = global_state.get_global_attribute(_CONTEXT)

    def run(*args: Any, **kwargs: Any) -> Any:
        outer = global_state.get_global_attribute(_CONTEXT)
        losses = len(layer.losses)
        global_state.set_global_attribute(_CONTEXT, copy.copy(context))
        try:
            result = call(*args, **kwargs)
        finally:
            global_state.set_global_attribute(_CONTEXT, outer)
        if len(layer.losses) > losses:
            raise TracingError(f"The layer {layer.path!r} adds losses, which are a matter of the program")
        return result

    return run
