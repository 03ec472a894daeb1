"""Where in the user's own code something happened."""

from __future__ import annotations

import linecache
import site
import sys
import sysconfig
from types import FrameType

# Frames of these packages are nobody's: they run what the user has given them, or are called by it.
_LIBRARIES = ("kerasflow", "keras", "numpy", "optree", "scipy", "contextlib", "functools", "importlib")
# Where packages are installed.
_INSTALLED = (*map(sysconfig.get_path, ("stdlib", "purelib", "platlib")), site.getusersitepackages())


# What TensorFlow makes of a function of the user's stands in files of its own, which are gone afterwards.
_GENERATED = "__autograph_generated_file"


def _in_library(frame: FrameType) -> bool:
    if _GENERATED in frame.f_code.co_filename:
        return True
    return frame.f_globals.get("__name__", "").partition(".")[0] in _LIBRARIES


def user_line() -> str | None:
    """`file:line: code` of the innermost frame that belongs to no library, or None.

    What it has called in an installed package, another framework say, is passed over; but layers that are installed are
    what somebody has written, if nothing else is there that Keras has called.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and _in_library(frame):
        frame = frame.f_back
    found, outer = frame, frame
    while outer is not None and not _in_library(outer):
        if not outer.f_code.co_filename.startswith(_INSTALLED):
            found = outer
            break
        outer = outer.f_back
    if found is None:
        return None
    name, line = found.f_code.co_filename, found.f_lineno
    code = linecache.getline(name, line).strip()
    return f"{name}:{line}: {code}" if code else f"{name}:{line}"


def at_user_line(message: str) -> str:
    """The message, with the user's own line below it."""
    line = user_line()
    return f"{message}\n  at {line}" if line else message
