"""What `kerasflow.explain` gives: text to print, to show in a notebook, and to save."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from kerasflow.bridge.files import written_whole
from kerasflow.inspect.reading.writing import Line
from kerasflow.text import html

_TOKEN = re.compile(
    r"(?P<comment>#.*)"
    r"|(?P<word>\b(?:def|return|for|in|if|elif|else|while|not|pass|break)\b)"
    r"|(?P<call>\bnp(?:\.\w+)+)"
)
# Readable on white and on black.
_COLOURS = {"comment": "opacity: 0.6", "word": "color: #b4559f", "call": "color: #2b87c8"}
_HEAD = '<!DOCTYPE html>\n<meta charset="utf-8">\n<meta name="color-scheme" content="light dark">\n'
_TITLE = "font-family: sans-serif; font-weight: 600"
_CODE = "margin: 0 0 0 1em; padding: 0; background: none; overflow-x: auto"


class Explanation(str):
    """The program of a step or a function, as text. `print` it; a notebook shows it coloured and folded by layer.

    Attributes:
        lines: of the function, each with its section and its layer; none of the text that runs.
    """

    lines: Sequence[Line]

    def __new__(cls, text: str, head: str = "", lines: Sequence[Line] = ()) -> Explanation:
        made = super().__new__(cls, text)
        made._head = head
        made.lines = lines
        return made

    _head: str

    def _repr_html_(self) -> str:
        if not self.lines:
            return _code(str(self))
        parts, several = [_code(self._head)], len({line.section for line in self.lines if line.section}) > 1
        for section, inside in _runs(self.lines, "section"):
            layers = "".join(
                _folded(scope, _code("\n".join(map(str, lines)))) for scope, lines in _runs(inside, "scope")
            )
            parts.append(_folded(section, layers) if several else layers)
        return f"<div>{''.join(parts)}</div>"

    def save(self, path: str | Path) -> Path:
        """Write it to a file: as a page, if its name ends with `.html`, else as Python.

        Returns:
            The path.

        Raises:
            KerasflowError: it could not be written.
        """
        path = Path(path)
        page = path.suffix.lower() in (".html", ".htm")
        text = f"{_HEAD}{self._repr_html_()}\n" if page else str(self)
        with written_whole(path) as draft:
            draft.write_text(text, encoding="utf-8")
        return path


def _runs(lines: Sequence[Line], key: str) -> list[tuple[str, list[Line]]]:
    """Lines one after the other that have the same section, or scope; one without it belongs to those before."""
    found: list[tuple[str, list[Line]]] = []
    for line in lines:
        name = getattr(line, key)
        if found and name in ("", found[-1][0]):
            found[-1][1].append(line)
        else:
            found.append((name, [line]))
    return found


def _folded(title: str, inside: str) -> str:
    """What is below a title, to be opened and closed."""
    if not title:
        return inside
    return f'<details open style="margin-left: 1em"><summary style="{_TITLE}">{html(title)}</summary>{inside}</details>'


def _code(text: str) -> str:
    def coloured(found: re.Match[str]) -> str:
        return f'<span style="{_COLOURS[str(found.lastgroup)]}">{found.group()}</span>'

    lines = [_TOKEN.sub(coloured, html(line)) for line in text.splitlines()]
    return f'<pre style="{_CODE}"><code>{chr(10).join(lines)}</code></pre>'
