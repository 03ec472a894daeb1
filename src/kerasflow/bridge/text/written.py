"""Which layers that look up and hash can be a part of a graph that is to be written."""

from __future__ import annotations

from typing import Any

from keras.src import layers
from keras.src.layers.preprocessing.index_lookup import IndexLookup

_WRITTEN = (
    layers.Hashing,
    layers.HashedCrossing,
    layers.IntegerLookup,
    layers.StringLookup,
    layers.TextVectorization,
    IndexLookup,
)


def written(layer: Any) -> bool:
    """Whether it computes what one of Keras's does, also if it is of a class of the user's."""
    found = next((cls for cls in _WRITTEN if isinstance(layer, cls)), None)
    return found is not None and type(layer).call is found.call
