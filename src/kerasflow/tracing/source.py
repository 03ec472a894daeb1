"""Where in the user's own code something happened."""

from __future__ import annotations

import linecache
import sys
from types import FrameType

# Frames of these packages are not the user's own.
_LIBRARIES = ("kerasflow", "keras", "numpy", "optree", "scipy", "contextlib", "functools", "importlib")


def user_line() -> str | None:
    """`file:line: code` of the innermost frame that belongs to no library, or None."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        package = frame.f_globals.get("__name__", "").partition(".")[0]
        if package not in _LIBRARIES:
            name, line = frame.f_code.co_filename, frame.f_lineno
            code = linecache.getline(name, line).strip()
            return f"{name}:{line}: {code}" if code else f"{name}:{line}"
        frame = frame.f_back
    return None


def at_user_line(message: str) -> str:
    """The message, with the user's own line below it."""
    line = user_line()
    return f"{message}\n  at {line}" if line else message
