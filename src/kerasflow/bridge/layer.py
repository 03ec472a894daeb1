"""The backend's mixin for `keras.Layer`."""

from __future__ import annotations

from typing import Any, Self

from keras.src import tree

from kerasflow.bridge.host import call_layer
from kerasflow.bridge.symbolic import outside_graphs
from kerasflow.tracing import adopted, current_trace, is_accompanied, suspended


class NumpyLayer:
    """Mixed into every Keras layer.

    A layer that is built by its first call is built outside of the program that
    records the call: what `build` computes and assigns is done once, and is not a
    part of every step; nor of a graph of TensorFlow's. A layer that cannot be a part of a program runs before it.
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        layer: Any = super().__new__(cls, *args, **kwargs)
        layer.build = suspended()(outside_graphs()(layer.build))
        return layer

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What Keras's own `__call__` goes on with, when the layer is built and its arguments are complete."""
        call: Any = super().__call__  # type: ignore[misc]
        if current_trace() is None:
            return call(*args, **kwargs)
        result = call_layer(self, call, args, kwargs)
        return tree.map_structure(adopted, result) if is_accompanied() else result
