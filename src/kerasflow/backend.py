"""`kerasflow.backend`: called, the name of the backend that runs programs now; as a module, Keras's `keras.backend`.

Keras's users know both, `keras.backend.backend()` and `from keras.backend import floatx`.
"""

from __future__ import annotations

import sys
import types
from typing import Any

from kerasflow.compiler import registry


class _CallableModule(types.ModuleType):
    def __call__(self) -> str:
        """The name of the backend that runs programs now: the innermost `use_backend`, else `set_backend`'s."""
        return registry.backend()


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import keras  # late: `import kerasflow` alone does not need it

    return getattr(keras.backend, name)


def __dir__() -> list[str]:
    import keras

    return sorted({*globals(), *dir(keras.backend)})


sys.modules[__name__].__class__ = _CallableModule
