"""What layers take in a call."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import numpy as np
from keras.src import tree


class _Data:
    """An argument that Keras leaves alone, as it does a number or a string."""

    def __init__(self, value: Any) -> None:
        self.value = value


@contextmanager
def leave_arrays_beside_text(module: ModuleType) -> Iterator[None]:
    """Arrays beside Python's strings in one argument are data, as with other backends; Keras takes them for tensors.

    Layers for text get such arguments: they convert what they need themselves.
    """
    yield
    is_tensor = module.is_backend_tensor_or_symbolic

    def is_data(x: Any) -> bool:
        others = [leaf for leaf in tree.flatten(x) if type(leaf) is not np.ndarray and leaf is not None]
        return bool(others) and not any(map(is_tensor, others))

    class Signature:
        """A signature that binds data as such; `found` says whether there were any."""

        __slots__ = ("found", "parameters", "signature")

        def __init__(self, signature: inspect.Signature) -> None:
            self.parameters = signature.parameters
            self.signature = signature
            self.found = False

        def bind(self, *args: Any, **kwargs: Any) -> inspect.BoundArguments:
            bound = self.signature.bind(*args, **kwargs)
            for name, value in bound.arguments.items():
                if isinstance(value, (dict, list, tuple)) and is_data(value):
                    bound.arguments[name] = _Data(value)
                    self.found = True
            return bound

    class CallSpec(module.CallSpec):  # type: ignore[name-defined]
        first_arg: Any

        def __init__(self, signature: inspect.Signature, *rest: Any) -> None:
            binding = Signature(signature)
            super().__init__(binding, *rest)
            if binding.found:
                for known in (self.arguments_dict, self.user_arguments_dict):
                    known.update((name, _shown(value)) for name, value in known.items())
                self.first_arg = _shown(self.first_arg)

    module.CallSpec = CallSpec  # type: ignore[attr-defined]


def _shown(x: Any) -> Any:
    """An argument as the layer was given it."""
    return x.value if isinstance(x, _Data) else x
