"""Where a node or an error comes from: the layer, and of nodes that are watched the user's line."""

from __future__ import annotations

from kerasflow.graph.naming import printable

_SAYS = "\n  in "


class Origin(str):
    """A node's scope that says more than the layer.

    Attributes:
        line: the user's line that recorded the node, as `file:line: code`; "" if unknown.
        checked: whether NaN and infinity among its results are looked for, where anybody looks for them.
        scale: of what belongs to the gradient of a scaled loss, the variable with the scale: with a smaller one its
            results may be finite.
    """

    __slots__ = ("line", "checked", "scale")

    line: str
    checked: bool
    scale: str

    def __new__(cls, scope: str, line: str = "", checked: bool = True, scale: str = "") -> Origin:
        origin = super().__new__(cls, scope)
        origin.line, origin.checked, origin.scale = line, checked, scale
        return origin


def gradient_scope(scope: str) -> str:
    """The scope of what belongs to the derivative of a node."""
    if scope.startswith("grad"):
        return scope
    name = f"grad {scope}".strip()
    return Origin(name, scope.line, scope.checked) if isinstance(scope, Origin) else name


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
