"""A model's functions as compiled programs: what a step and a generation have in common."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from keras.src import tree

from kerasflow.bridge.host import declines, name_of
from kerasflow.bridge.variable import keeping_weights
from kerasflow.compiler import CompiledFunction, Entry
from kerasflow.graph import is_text


class ModelFunction:
    """A function that calls a model, as a program for each kind of arguments, on the model's backend.

    Args:
        model: the Keras model, compiled or not.
        function: what is recorded.

    Attributes:
        refusal: why there is no program; "" as long as nobody knows of a reason.
    """

    refusal = ""

    def __init__(self, model: Any, function: Callable[..., Any]) -> None:
        self.model = model
        self.compiled = CompiledFunction(keeping_weights(function))

    @functools.cached_property
    def declining(self) -> list[Any]:
        """The layers that cannot be compiled."""
        return [x for x in self.model._flatten_layers() if declines(x)]

    @property
    def uncompiled(self) -> list[str]:
        """Those of them that have variables, by name: there is no program."""
        return [name_of(x) for x in self.declining if x.variables]

    @property
    def runs_with_values(self) -> bool:
        """Whether it runs operation by operation: the model asks for it, or there is no program."""
        return bool(self.model.run_eagerly or self.refusal or self.uncompiled)

    def needs_host(self, given: Any) -> bool:
        """Whether a part of what it does with these arguments cannot be in a program."""
        return bool(self.declining) or any(map(is_text_array, tree.flatten(given)))

    def entry(self, *args: Any, **kwargs: Any) -> tuple[Entry, list[Any]]:
        """The program for these arguments, on the model's backend, and what it is called with.

        Raises:
            TracingError: it cannot be recorded, or makes weights that nobody keeps.
        """
        self.compiled.backend = self.model.kerasflow_backend
        jit_compile = self.model.jit_compile
        self.compiled.jit_compile = None if jit_compile == "auto" else jit_compile
        return self.compiled.entry(args, kwargs)


def is_text_array(x: Any) -> bool:
    """Whether it is an array of strings."""
    return isinstance(x, np.ndarray) and is_text(x.dtype)
