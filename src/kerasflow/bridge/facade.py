"""`kerasflow.Sequential`: Keras's model, bound to a backend."""

from __future__ import annotations

from typing import Any

import keras

from kerasflow.compiler import current_backend


def Sequential(layers: Any = None, backend: str | None = None, **kwargs: Any) -> keras.Sequential:  # noqa: N802
    """A `keras.Sequential` that runs on one backend.

    Args:
        layers: Keras layers.
        backend: a name of `kerasflow.backends()`; None follows `kerasflow.backend()` at each call.
        kwargs: as `keras.Sequential`'s.

    Returns:
        A plain `keras.Sequential`: it saves, loads and clones as any other.

    Raises:
        UnknownBackendError: listing the available names.
    """
    if backend is not None:
        current_backend(backend)
    model = keras.Sequential(layers, **kwargs)
    model.kerasflow_backend = backend
    return model
