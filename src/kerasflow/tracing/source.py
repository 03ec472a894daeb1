"""Where in the user's own code something happened."""

from __future__ import annotations

import linecache
import site
import sys
import sysconfig
from dataclasses import dataclass
from types import FrameType

# Other frameworks' modules, and what they are called.
FRAMEWORKS = {"tensorflow": "TensorFlow", "jax": "JAX", "jaxlib": "JAX", "torch": "PyTorch"}

# Frames of these packages are nobody's: they run what the user has given them, or are called by it.
_LIBRARIES = (
    *("kerasflow", "keras", "numpy", "optree", "scipy", "contextlib", "functools", "importlib"),
    *FRAMEWORKS,
)
# Where packages are installed.
_INSTALLED = (*map(sysconfig.get_path, ("stdlib", "purelib", "platlib")), site.getusersitepackages())
# What TensorFlow makes of a function of the user's stands in files of its own, which are gone afterwards.
_GENERATED = "__autograph_generated_file"

# What stands before the user's line in a message.
AT = "\n  at "


@dataclass(frozen=True)
class Place:
    """Where a frame is, or was when an error went through it.

    Attributes:
        line: the number in its file. instruction: the index into its code.
    """

    frame: FrameType
    line: int
    instruction: int

    @property
    def package(self) -> str:
        """The package that the code is of."""
        return str(self.frame.f_globals.get("__name__", "")).partition(".")[0]

    @property
    def is_in_library(self) -> bool:
        """Whether the code is nobody's."""
        return self.package in _LIBRARIES or _GENERATED in self.frame.f_code.co_filename


def _outwards(frame: FrameType | None) -> list[Place]:
    places = []
    while frame is not None:
        places.append(Place(frame, frame.f_lineno, frame.f_lasti))
        frame = frame.f_back
    return places


def stack() -> list[Place]:
    """The calls that are running, the innermost first."""
    return _outwards(sys._getframe(1))


def stack_of(error: BaseException) -> list[Place]:
    """The calls that were running where an error was raised, as far as it has come, the innermost first."""
    trace = error.__traceback__
    return way_of(error) + (_outwards(trace.tb_frame.f_back) if trace is not None else [])


def way_of(error: BaseException) -> list[Place]:
    """Of these calls those that the error has left, and the one that has it now."""
    places: list[Place] = []
    trace = error.__traceback__
    while trace is not None:
        places.insert(0, Place(trace.tb_frame, trace.tb_lineno, trace.tb_lasti))
        trace = trace.tb_next
    return places


def user_line(places: list[Place] | None = None) -> str | None:
    """`file:line: code` of the innermost place that belongs to no library, or None.

    What it has called in an installed package is passed over; but layers that are installed are what somebody has
    written, if nothing else is there that Keras has called.

    Args:
        places: the innermost first; the calls that are running if None.
    """
    places = stack() if places is None else places
    begin = next((i for i, place in enumerate(places) if not place.is_in_library), len(places))
    found = next(iter(places[begin:]), None)
    for place in places[begin:]:
        if place.is_in_library:
            break
        if not place.frame.f_code.co_filename.startswith(_INSTALLED):
            found = place
            break
    if found is None:
        return None
    name = found.frame.f_code.co_filename
    code = linecache.getline(name, found.line).strip()
    return f"{name}:{found.line}: {code}" if code else f"{name}:{found.line}"


def at_user_line(message: str, places: list[Place] | None = None) -> str:
    """The message, with the user's own line below it; `places` as `user_line`'s."""
    line = user_line(places)
    return f"{message}{AT}{line}" if line else message
