"""What is said between the first process and the others: the kinds of messages, and errors as bytes."""

from __future__ import annotations

import pickle
import traceback
from enum import IntEnum

from kerasflow.errors import RankError


class Kind(IntEnum):
    """A message's kind; its number is an object's key or a segment's number."""

    LOAD = 1  # to a child: an object, pickled
    LOAD_SHARED = 2  # … as the beginning of a segment; the content says which, and how long
    TELL = 3  # what an object's `tell` is called with
    RUN = 4  # call an object
    UNLOAD = 5
    SEGMENT = 6  # there is a segment; what it is seen by follows
    FORGET = 7  # a segment is no more
    MAIL = 8  # both ways: `exchange`
    ERROR = 9  # from a child: what it has raised; it has ended


def packed_error(error: BaseException, rank: int) -> bytes:
    """An exception as bytes, with its traceback as text."""
    text = "".join(traceback.format_exception(error)).rstrip()
    try:
        whole = pickle.dumps(error)
        pickle.loads(whole)
    except Exception:
        whole = b""
    return pickle.dumps((whole, rank, text))


def unpacked_error(content: bytes) -> Exception:
    """The exception, with a note that says on which rank it was raised, and where."""
    whole, rank, text = pickle.loads(content)
    try:
        error = pickle.loads(whole)
    except Exception:
        error = None
    if not isinstance(error, Exception):
        # One that ends a program, or that cannot be made here, is told of.
        error = RankError(f"Rank {rank} has raised {text.splitlines()[-1]}")
    error.add_note(f"On rank {rank}, in a process of its own:\n{text}")
    return error
