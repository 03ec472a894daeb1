"""Where an error comes from: the layer, said once, by whoever notices it first."""

from __future__ import annotations

from kerasflow.graph.naming import printable

_SAYS = "\n  in "


def locate(error: BaseException, scope: str) -> None:
    """Have an error say from which scope it comes, in its message, or in a note where that is no text of its own."""
    if not scope or not isinstance(error, Exception) or _is_located(error):
        return
    if len(error.args) == 1 and isinstance(error.args[0], str) and not isinstance(error, KeyError):
        error.args = (f"{error.args[0]}{_SAYS}{printable(scope)}",)
    else:
        error.add_note(f"{_SAYS}{printable(scope)}".lstrip("\n"))


def _is_located(error: Exception) -> bool:
    return any(_SAYS.lstrip("\n") in text for text in (str(error), *getattr(error, "__notes__", ())))
