"""Signatures as Keras expects them of a backend."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from types import FunctionType
from typing import Any

from kerasflow.bridge.versions import LAYOUT


def drop_hints(objects: Iterable[Any]) -> None:
    """Keras wants a backend's signatures to equal those of its operations, which have no type hints."""
    for x in objects:
        while isinstance(x, FunctionType) and x.__module__.startswith("kerasflow.bridge."):
            x.__annotations__ = {}
            x = getattr(x, "__wrapped__", None)


def with_newer(*names: str) -> Callable[[Any], Any]:
    """A function with arguments that not every Keras gives it: no part of its signature where they are unknown."""

    def decorate(function: Any) -> Any:
        signature = inspect.signature(function)
        known = [
            p.replace(annotation=p.empty)
            for p in signature.parameters.values()
            if p.name not in names or p.name in LAYOUT.arguments
        ]
        function.__signature__ = signature.replace(parameters=known, return_annotation=signature.empty)
        return function

    return decorate
