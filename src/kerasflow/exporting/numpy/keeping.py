"""What layers of text are made with, in a file: vocabularies, which are data, and how they are put together."""

from __future__ import annotations

import functools
import inspect
import numbers
from collections.abc import Callable
from typing import Any

import numpy as np

from kerasflow.exporting.batch import number_text
from kerasflow.strings.flat import Strings, from_lengths
from kerasflow.strings.lookup import Lookup

Array = np.ndarray[Any, Any]

# What makes an object, a word for it, and of what it is made: parts that have names, and behind them others.
Made = tuple[Callable[..., Any], str, dict[str, Any], tuple[Any, ...]]


@functools.singledispatch
def _made(x: Any) -> Made:
    raise NotImplementedError(type(x))


@_made.register
def _of_lookup(x: Lookup) -> Made:
    parts = {"vocabulary": x.keys, "numbers": x.numbers}
    return Lookup, "lookup", parts, (x.count, x.first, x.salt, x.spelled)


@_made.register
def _of_strings(x: Strings) -> Made:
    parts = {"bytes": np.frombuffer(b"".join(x.tolist()), np.uint8), "lengths": x.lengths}
    return from_lengths, "strings", parts, ()


class Keeping:
    """Puts what recipes are made with into a file. No string is in its text: they are arrays of bytes.

    Args:
        include: puts a function of this package into the file; its name there.
        store: stores an array with the weights; its name. define: puts a line into the file that gives an expression
            a name. Both take a wish for it.
    """

    def __init__(
        self,
        include: Callable[[Any], str],
        store: Callable[[str, Array], str],
        define: Callable[[str, str], str],
    ) -> None:
        self.include, self.store, self.define = include, store, define
        self._names: dict[int, tuple[Any, str]] = {}  # by identity, of objects that are kept alive

    def __call__(self, x: Any, wish: str) -> str:
        """The expression that reads it."""
        if isinstance(x, tuple):
            parts = [self(part, wish) for part in x]
            return f"({', '.join(parts)}{',' * (len(parts) == 1)})"
        if inspect.isfunction(x):
            return self.include(x)
        if x is None or isinstance(x, (bool, numbers.Integral)):
            return repr(x) if isinstance(x, (bool, type(None))) else repr(int(x))
        if isinstance(x, numbers.Real):
            return number_text(float(x))
        if isinstance(x, bytes):
            return f"bytes({self(np.frombuffer(x, np.uint8), wish)})"
        if id(x) not in self._names:
            self._names[id(x)] = x, self._named(x, wish)
        return self._names[id(x)][1]

    def _named(self, x: Any, wish: str) -> str:
        if isinstance(x, np.ndarray):
            return self.store(wish, x)
        function, word, named, others = _made(x)
        parts = [self(part, f"{wish}_{name}") for name, part in named.items()]
        parts += [self(part, wish) for part in others]
        return self.define(f"{wish}_{word}", f"{self.include(function)}({', '.join(parts)})")
