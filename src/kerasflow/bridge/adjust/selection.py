"""Which backend Keras has, and which one of ours runs a model."""

from __future__ import annotations

import functools
import inspect
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from types import ModuleType
from typing import Any

from kerasflow.bridge.first_rank import by_first_rank, of_first_rank
from kerasflow.compiler import set_backend, use_backend
from kerasflow.tracing import records_beside


@contextmanager
def select_numpy(module: ModuleType) -> Iterator[None]:
    """Keras calls its backend "numpy", whatever `keras.json` or `KERAS_BACKEND` say; neither is changed."""
    saved = os.environ.get("KERAS_BACKEND")
    os.environ["KERAS_BACKEND"] = "numpy"
    try:
        yield
    finally:
        if saved is None:
            del os.environ["KERAS_BACKEND"]
        else:
            os.environ["KERAS_BACKEND"] = saved


@contextmanager
def compute_on_one_device(module: ModuleType) -> Iterator[None]:
    """Keras has nothing for `keras.distribution` where its backend is "numpy"."""
    yield
    from kerasflow.bridge import distribution  # It needs parts of Keras that the module loads itself.

    module.distribution_lib = distribution  # type: ignore[attr-defined]


@contextmanager
def say_what_is_supported(module: ModuleType) -> Iterator[None]:
    """Keras asks its backend's package what that can do, and the NumPy backend's own can do less."""
    yield
    from kerasflow.bridge.ops import core  # It needs parts of Keras that the module loads itself.

    for name in core.CAPABILITIES:
        setattr(module, name, getattr(core, name))


@contextmanager
def choose_backend(module: ModuleType) -> Iterator[None]:
    """Keras would import itself anew, and this package with it; here a backend is chosen while the program runs.

    And it would take what TensorFlow records beside a trace for a graph that its preprocessing layers work in, and ask
    a TensorFlow that is kept from being imported (`sys.modules["tensorflow"] = None`).
    """
    yield
    module.set_backend = set_backend  # type: ignore[attr-defined]
    is_in_graph = module.in_tf_graph

    def in_tf_graph() -> bool:
        is_kept_out = "tensorflow" in sys.modules and sys.modules["tensorflow"] is None
        return not is_kept_out and is_in_graph() and not records_beside("tensorflow")

    module.in_tf_graph = in_tf_graph  # type: ignore[attr-defined]


@contextmanager
def bind_to_backend(module: ModuleType, name: str) -> Iterator[None]:
    """A functional or subclassed model takes a `backend`, as `kerasflow.Sequential` does; Keras might ignore it."""
    yield
    cls = getattr(module, name)
    init = cls.__init__

    @functools.wraps(init)
    def __init__(self: Any, *args: Any, backend: str | None = None, **kwargs: Any) -> None:
        with nullcontext() if backend is None else use_backend(backend):
            init(self, *args, **kwargs)
        if backend is not None:
            self.kerasflow_backend = backend

    # By their arguments Keras tells which models can be made from inputs and outputs.
    __init__.__signature__ = inspect.signature(init)  # type: ignore[attr-defined]
    cls.__init__ = __init__


@contextmanager
def bind_model(module: ModuleType) -> Iterator[None]:
    """The same, and of several ranks the first writes exported files."""
    with bind_to_backend(module, "Model"):
        yield
    of_first_rank(module.Model, by_first_rank, ("export",))


bind_functional = functools.partial(bind_to_backend, name="Functional")
