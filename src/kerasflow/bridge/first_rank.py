"""What rank 0 does for all: it prints, and it writes files.

Where others may read what it has written, they wait for it, and what it raises is raised on all.
"""

from __future__ import annotations

import functools
import pickle
from collections.abc import Callable, Iterable
from typing import Any

from kerasflow.bridge.generators import random_state, set_random_state
from kerasflow.errors import RankError
from kerasflow.groups import ALONE, current_group, in_group


def by_first_rank(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that writes files, called on rank 0 alone; all ranks call it, and go on when it is done.

    What it calls in turn is rank 0's alone. It returns nothing.
    """

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        group = current_group()
        if group.size == 1:
            return function(*args, **kwargs)
        problem: Exception | None = None
        if group.rank == 0:
            before = random_state()
            try:
                with in_group(ALONE):
                    function(*args, **kwargs)
            except Exception as error:
                problem = error
            finally:
                set_random_state(before)  # The others draw nothing meanwhile.
        said = group.broadcast(_pickled(problem))
        if problem is None:
            problem = pickle.loads(said)
        if problem is not None:
            raise problem

    return called


def _pickled(problem: Exception | None) -> bytes:
    """An exception for the other ranks, with which each of them goes on as rank 0 does."""
    try:
        text = pickle.dumps(problem)
        pickle.loads(text)
        return text
    except Exception:  # of its own __init__, say
        return pickle.dumps(RankError(f"On rank 0: {type(problem).__name__}: {problem}"))


def only_on_first_rank(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that does nothing on other ranks, and that nobody waits for."""

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs) if current_group().rank == 0 else None

    return called


def of_first_rank(cls: Any, wrapper: Callable[..., Any], names: Iterable[str]) -> None:
    """Put a wrapper around methods of a class."""
    for name in names:
        setattr(cls, name, wrapper(getattr(cls, name)))
