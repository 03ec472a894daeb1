"""`kerasflow.Sequential`: Keras's model, bound to a backend."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import keras
from keras.src import api_export

from kerasflow.compiler import use_backend


class Sequential(keras.Sequential):
    """A `keras.Sequential` that runs on one backend.

    It is saved as the `keras.Sequential` that it is, without its backend, so that
    Keras loads it anywhere; a subclass is saved as any custom model.

    Args:
        layers: Keras layers.
        backend: a name of `kerasflow.backends()`; None follows `kerasflow.backend()` at each call.
        kwargs: as `keras.Sequential`'s.

    Raises:
        UnknownBackendError: listing the available names.
    """

    def __init__(self, layers: Any = None, backend: str | None = None, **kwargs: Any) -> None:
        with nullcontext() if backend is None else use_backend(backend):
            super().__init__(layers, **kwargs)
        self.kerasflow_backend = backend


api_export.REGISTERED_OBJS_TO_NAMES[Sequential] = api_export.get_name_from_symbol(keras.Sequential)
