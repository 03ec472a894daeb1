"""An object seen as another one, for Keras's code that asks it."""

from __future__ import annotations

from typing import Any


class Seen:
    """An object as it is, but for some attributes."""

    def __init__(self, object: Any, **attributes: Any) -> None:
        self.__dict__ |= attributes
        self._object = object

    def __getattr__(self, name: str) -> Any:
        return getattr(self._object, name)
