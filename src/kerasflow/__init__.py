"""kerasflow: real Keras 3 on pluggable backends, pure NumPy first.

Import it before Keras; then `keras` itself runs on it:

    import kerasflow
    import keras

Keras's own modules are here too: `kerasflow.layers`, `from kerasflow.layers import Dense`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from kerasflow import _command

_command.interrupt_quietly()

from kerasflow import _settings  # noqa: E402
from kerasflow._version import __version__ as __version__  # noqa: E402
from kerasflow.bridge import install as _install  # noqa: E402

_settings.warn_of_unknown_variables()
_install.install()

from kerasflow.autodiff import GradientTape, grad, value_and_grad  # noqa: E402
from kerasflow.bridge.ipython import load_ipython_extension  # noqa: E402
from kerasflow.compiler import (  # noqa: E402
    backends,
    debug_nans,
    jit,
    set_backend,
    set_debug_nans,
    use_backend,
)

if TYPE_CHECKING:
    from kerasflow.bridge.export_numpy import export_numpy
    from kerasflow.bridge.facade import Sequential
    from kerasflow.bridge.ops.sparse import SparseTensor
    from kerasflow.compiler import backend
    from kerasflow.inspect.explain import explain
    from kerasflow.inspect.in_step import debug_backends
    from kerasflow.inspect.plot_graph import plot_graph
    from kerasflow.inspect.profile import profile
else:
    import kerasflow.backend  # noqa: F401  (to be called, and a module like Keras's)

# What needs Keras, or is for the few, is imported at its first use, so that `import kerasflow` alone is quick.
_LAZY = {
    "Sequential": "kerasflow.bridge.facade",
    "SparseTensor": "kerasflow.bridge.ops.sparse",
    "debug_backends": "kerasflow.inspect.in_step",
    "explain": "kerasflow.inspect.explain",
    "export_numpy": "kerasflow.bridge.export_numpy",
    "plot_graph": "kerasflow.inspect.plot_graph",
    "profile": "kerasflow.inspect.profile",
}

__all__ = [
    "GradientTape",
    "Sequential",
    "SparseTensor",
    "backend",
    "backends",
    "debug_backends",
    "debug_nans",
    "explain",
    "export_numpy",
    "grad",
    "jit",
    "load_ipython_extension",
    "plot_graph",
    "profile",
    "set_backend",
    "set_debug_nans",
    "use_backend",
    "value_and_grad",
]


def __getattr__(name: str) -> Any:
    """Keras's public modules and classes, under this package's name."""
    if name.startswith("__"):
        raise AttributeError(f"module 'kerasflow' has no attribute {name!r}")
    if name in _LAZY:
        value = getattr(importlib.import_module(_LAZY[name]), name)
    else:
        value = _module(name) or _of_keras(name)
    globals()[name] = value
    return value


def _module(name: str) -> Any:
    """A module of this package, or Keras's public module of that name; None if there is neither."""
    try:
        return importlib.import_module(f"kerasflow.{name}")
    except ModuleNotFoundError as error:
        if error.name != f"kerasflow.{name}":
            raise
        return None


def _of_keras(name: str) -> Any:
    import keras

    try:
        return getattr(keras, name)
    except AttributeError:
        raise AttributeError(f"module 'kerasflow' has no attribute {name!r}, and neither has Keras") from None


def __dir__() -> list[str]:
    import keras

    return sorted({*__all__, *dir(keras)})
