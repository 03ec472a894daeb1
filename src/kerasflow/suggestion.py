"""*Did you mean …?*: what a mistyped name may have been."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def did_you_mean(name: str, known: Iterable[str], prefix: str = "") -> str:
    """ " Did you mean 'numpy'?", to be put behind a sentence; "" if no known name is near.

    Args:
        name: what is not known.
        known: what it may have been.
        prefix: what all of them begin with, and so makes none of them nearer.
    """
    by_rest = {word.removeprefix(prefix).lower(): word for word in known}
    near = difflib.get_close_matches(name.removeprefix(prefix).lower(), by_rest, n=1)
    return f" Did you mean {by_rest[near[0]]!r}?" if near else ""
