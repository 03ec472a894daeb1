"""Interrupts while a program changes state: a step happens or does not.

Python runs the handlers of signals between any two operations of the main thread, and what a handler raises
(KeyboardInterrupt, mostly) would leave some variables a step further than others. While a step runs, handlers run as
ever, but what they raise waits until the step is done. A second exception does not wait: a program that never ends can
be stopped by pressing Ctrl-C twice, in the middle of a step then.
"""

from __future__ import annotations

import importlib
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from kerasflow.tracing import Cell, journal

T = TypeVar("T")

# What `signal` is made of: without its conversions to enumerations, which take ten times as long as the rest.
_handler: Callable[[int], Any] = importlib.import_module("_signal").getsignal
_install: Callable[[int, Any], Any] = importlib.import_module("_signal").signal

_NUMBERS = tuple(sorted(n for n in map(int, signal.valid_signals()) if n < getattr(signal, "SIGRTMIN", 32)))

# All of the main thread's, which alone runs handlers. The handlers that `_hold` stands for, by signal.
_handlers: dict[int, Callable[..., Any]] = {}
_running = False
_held: BaseException | None = None


def _hold(number: int, frame: Any) -> None:
    """Run the handler that was there; while a step runs, keep what it raises."""
    global _held
    try:
        _handlers[number](number, frame)
    except BaseException as error:
        if not _running or _held is not None:
            raise
        _held = error


def _restore(numbers: Sequence[int]) -> None:
    """Put the handlers back, all of them, also if one runs meanwhile and raises."""
    if numbers:
        try:
            _install(numbers[0], _handlers[numbers[0]])
        finally:
            _restore(numbers[1:])


def undisturbed(function: Callable[..., T], *args: Any) -> T:
    """Call the function; what a signal's handler raises meanwhile is raised behind it.

    It costs 1.5 microseconds. In other threads than the main one no handlers run, and nothing is done.

    Raises:
        BaseException: what the function raises, or what a handler has raised; then the function has been called to its
            end, or not at all.
    """
    global _held, _running
    if _running or threading.get_ident() != threading.main_thread().ident:
        return function(*args)
    replaced: list[int] = []
    try:
        for number in _NUMBERS:
            handler = _handler(number)
            if callable(handler) and handler is not _hold:
                _handlers[number] = handler
                try:
                    _install(number, _hold)
                except ValueError:
                    break  # Where Python is embedded, its main thread may be none that handles signals.
                replaced.append(number)
        _running = True
        result = function(*args)
    finally:
        _running, held, _held = False, _held, None
        _restore(replaced)
        if held is not None:
            raise held
    return result


@contextmanager
def all_or_nothing() -> Iterator[None]:
    """What host code assigns to variables in the block it assigns if the block ends well, else nothing of it."""
    with journal() as before:
        try:
            yield
        except BaseException:
            undisturbed(_undo, before)
            raise


def _undo(before: Mapping[Cell, Any]) -> None:
    for cell, array in list(before.items()):
        cell.write(array)
