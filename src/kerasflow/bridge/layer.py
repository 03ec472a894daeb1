"""The backend's mixin for `keras.Layer`."""

from __future__ import annotations

from typing import Any, Self

from kerasflow.bridge.symbolic import outside_graphs
from kerasflow.tracing import suspended


class NumpyLayer:
    """Mixed into every Keras layer.

    A layer that is built by its first call is built outside of the program that
    records the call: what `build` computes and assigns is done once, and is not a
    part of every step. The same goes for a graph of TensorFlow's.
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        layer: Any = super().__new__(cls, *args, **kwargs)
        layer.build = suspended()(outside_graphs()(layer.build))
        return layer
