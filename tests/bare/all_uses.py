"""Of every public name of Keras a small use. A name whose row this lacks is missing in a test."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from public_names import public_names
from uses_of_tables import table_uses
from uses_of_the_rest import other_uses
from uses_of_utilities import EXPORTS, utility_uses

_ALL = table_uses() | utility_uses() | other_uses()
NAMES = public_names()


def _of(name: str) -> Callable[[], Any] | None:
    return next((_ALL[one] for one in (name, *NAMES[name]) if one in _ALL), None)


USES: dict[str, Callable[[], Any]] = {
    **{name: use for name in NAMES if (use := _of(name))},
    **EXPORTS,  # a form of export is no name
}
MISSING = sorted(set(NAMES) - set(USES))
UNKNOWN = sorted(set(_ALL) - set(USES) - {other for others in NAMES.values() for other in others})
