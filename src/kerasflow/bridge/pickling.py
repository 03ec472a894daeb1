"""Pickles of Keras's objects bring kerasflow with them.

Who loads one (a worker process of joblib, a program that reads a file) may not have imported kerasflow, and would get
Keras on whatever backend its configuration names. A pickle imports what it mentions in the order in which it mentions
it; so what a pickle of ours mentions first is `restore`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any


def restore(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    """Make an object anew as `function` does, which is Keras's own."""
    return function(*arguments)


def brings_kerasflow(reduce_ex: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """A class's `__reduce_ex__`, for the same objects, in processes that import kerasflow before Keras."""

    @functools.wraps(reduce_ex)
    def __reduce_ex__(self: Any, protocol: Any) -> Any:
        reduced = reduce_ex(self, protocol)
        if isinstance(reduced, str):  # the name of a global object
            return reduced
        function, arguments, *state = reduced
        return restore, (function, arguments), *state

    return __reduce_ex__
