"""Strings of models, files and users in what is generated: as identifiers, and as labels that are only ever shown.

Text that is executed holds none of them but through `identifier`. A label goes through `printable` before it is shown;
what is shown as HTML or in a picture goes through that medium's function in `kerasflow.text` as well.
"""

from __future__ import annotations

import builtins
import keyword
import re
from collections import Counter
from collections.abc import Container, Sequence

# What no identifier may be: to Python these mean something already.
FORBIDDEN = frozenset({*keyword.kwlist, *keyword.softkwlist, *dir(builtins)})

LONGEST = 200

_SPECIAL = re.compile(r"[^A-Za-z0-9/_. -]")
_OTHERS = re.compile(r"[^A-Za-z0-9]+")


def identifier(wish: str, default: str = "v") -> str:
    """An identifier like the wish: ASCII letters, digits and single underscores; no keyword, no builtin.

    Args:
        wish: any string. Of a long one the end is taken, which tells most.
        default: what an empty one becomes.
    """
    name = _OTHERS.sub("_", wish[-LONGEST:]).strip("_") or default
    return f"v_{name}" if name[0].isdigit() or name in FORBIDDEN else name


def unique(name: str, taken: Container[str], separator: str = "_", first: int = 1) -> str:
    """The name, or the first of `name_1`, `name_2`, … that is not taken."""
    candidate, number = name, first
    while candidate in taken:
        candidate = f"{name}{separator}{number}"
        number += 1
    return candidate


def endings(labels: Sequence[str]) -> list[str]:
    """A wish for a name for each path: as much of its end as tells it from the others, but two parts at least."""

    def ends(parts: int) -> list[str]:
        return ["_".join(label.split("/")[-parts:]) for label in labels]

    longest = max((label.count("/") + 1 for label in labels), default=1)
    wishes = ends(2)
    for parts in range(3, longest + 1):
        counts = Counter(wishes)
        wishes = [
            longer if counts[wish] > 1 else wish for wish, longer in zip(wishes, ends(parts), strict=True)
        ]
    return wishes


def literal(text: str) -> str:
    """The text as a Python string, in ASCII."""
    escaped = text.encode("unicode_escape").decode("ascii").replace('"', '\\"')
    return f'"{escaped}"'


def plain(text: str) -> str:
    """The text with an underscore for all but ASCII letters, digits and `/ _ . - space`, which Python gives no meaning
    in a comment or a string."""
    return _SPECIAL.sub("_", text)


def printable(text: str) -> str:
    """The text on one line, with an escape (`\\n`, `\\x1b`, `\\u2028`, …) for whatever is not a visible character."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
