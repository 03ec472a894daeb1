"""Functions for `with`, which say so where they are called without."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import TracebackType
from typing import Any, Generic, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def block(function: Callable[P, Iterator[T]]) -> Callable[P, Block[T]]:
    """Like `contextlib.contextmanager`; what is called and never entered is a warning, for it has done nothing."""
    make = contextmanager(function)

    @functools.wraps(function)
    def called(*args: P.args, **kwargs: P.kwargs) -> Block[T]:
        return Block(functools.partial(make, *args, **kwargs), function.__name__)

    return called


class Block(AbstractContextManager[T], Generic[T]):
    """A context manager, and a decorator. It is entered once.

    Args:
        make: makes the context manager that does it.
        name: of the function that users call.
    """

    def __init__(self, make: Callable[[], AbstractContextManager[T]], name: str) -> None:
        self._used = True  # if the arguments are wrong
        self._make, self._name, self._open = make, name, make()
        self._used = False

    def __enter__(self) -> T:
        self._used = True
        return self._open.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        return self._open.__exit__(kind, error, traceback)

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        self._used = True

        @functools.wraps(function)
        def inside(*args: Any, **kwargs: Any) -> Any:
            with self._make():
                return function(*args, **kwargs)

        return inside

    def __repr__(self) -> str:
        return f"<a block that is not entered: `with kerasflow.{self._name}(…):`>"

    def __del__(self) -> None:
        if not self._used:
            alone = f"set_{self._name.removeprefix('use_')}"
            instead = f", or `kerasflow.{alone}(…)` for good" if alone in _FOR_GOOD else ""
            warnings.warn(
                f"`kerasflow.{self._name}(…)` does nothing by itself: it is for a block, "
                f"`with kerasflow.{self._name}(…):`{instead}.",
                stacklevel=2,
            )


_FOR_GOOD = frozenset({"set_backend", "set_debug_nans"})
