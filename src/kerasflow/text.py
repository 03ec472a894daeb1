"""What is shown: as plain text on a terminal, as HTML, in a picture; and tables.

What comes from a model may be any string. For each medium a function takes from it what it could mean: `printable`
(of `kerasflow.graph`), `html`, `drawn`.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from kerasflow.graph import printable


def html(text: str) -> str:
    """The text in HTML, between tags or in quotes."""
    return escape(printable(text))


def drawn(text: str) -> str:
    """The text in a picture of Matplotlib's, to which dollars are the ends of a formula."""
    return printable(text).replace("$", r"\$")


def table(rows: Sequence[Sequence[str]], left: int = 1, gap: str = "   ") -> str:
    """Cells in aligned columns.

    Args:
        rows: of equal length, the first are the headings.
        left: how many columns are flush left; those behind them are flush right.
        gap: what stands between two columns.
    """
    rows = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        gap.join(
            cell.ljust(width) if i < left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    return "\n".join(line.rstrip() for line in lines)


def shortened(text: str, width: int) -> str:
    """The text on one line, cut to so many characters."""
    text = printable(text)
    return text if len(text) <= width else text[: width - 1] + "…"


def paragraph(text: str, most: int) -> str:
    """The text in its lines; a long one without its middle."""
    if len(text) > most:
        text = f"{text[: most // 2]} … {text[-most // 2 :]}"
    return "\n".join(map(printable, text.split("\n")))


def shortened_path(path: str, width: int) -> str:
    """A layer's path, or `grad` and a path, on one line, cut to so many characters: its end tells it from others."""
    path = printable(path)
    if len(path) <= width:
        return path
    kept = "grad …" if path.startswith("grad ") else "…"
    return kept + path[len(path) - width + len(kept) :]


def html_table(rows: Sequence[Sequence[str]], left: int = 1, code: int = 0) -> str:
    """Cells as an HTML table.

    Args:
        rows: of equal length, the first are the headings.
        left: how many columns are flush left; those behind them are flush right.
        code: how many columns, from the left, are code.
    """

    def row(cells: Sequence[str], tag: str) -> str:
        written = []
        for i, cell in enumerate(map(html, cells)):
            shown = f"<code>{cell}</code>" if i < code and tag == "td" else cell
            style = "text-align: left" if i < left else "text-align: right; white-space: nowrap"
            written.append(f'<{tag} style="{style}">{shown}</{tag}>')
        return f"<tr>{''.join(written)}</tr>"

    return f"<table>{row(rows[0], 'th')}{''.join(row(cells, 'td') for cells in rows[1:])}</table>"
