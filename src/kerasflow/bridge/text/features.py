"""`FeatureSpace`, whose features are columns of arrays, with NumPy."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from keras.src import layers

# TensorFlow's batches, which quantiles that are estimated batch by batch depend on.
_BATCH = 32


def concatenating(call: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """What joins the features, in the layer's dtype: Keras's casts them where TensorFlow computes."""

    @functools.wraps(call)
    def concatenate(self: Any, xs: Any) -> Any:
        return call(self, [self.backend.cast(x, self.compute_dtype) for x in xs])

    return concatenate


def adapt(self: Any, data: dict[str, Any]) -> None:
    """Adapts the features' layers to the columns; see the class."""
    for name in self._list_adaptable_preprocessors():
        column = np.asarray(data[name])
        if column.ndim < 3:
            column = column.reshape(-1, 1)
        layer = self.preprocessors[name]
        if isinstance(layer, layers.Discretization):
            layer.reset_state()
            for begin in range(0, len(column), _BATCH):
                layer.update_state(column[begin : begin + _BATCH])
            layer.finalize_state()
        else:
            layer.adapt(column)
    self._is_adapted = True
    self.get_encoded_features()
    self.built = self._sublayers_built = True
