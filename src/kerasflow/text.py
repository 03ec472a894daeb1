"""Tables as plain text."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape


def table(rows: Sequence[Sequence[str]], left: int = 1, gap: str = "   ") -> str:
    """Cells in aligned columns.

    Args:
        rows: of equal length, the first are the headings.
        left: how many columns are flush left; those behind them are flush right.
        gap: what stands between two columns.
    """
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
    """The text, cut to so many characters."""
    return text if len(text) <= width else text[: width - 1] + "…"


def html_table(rows: Sequence[Sequence[str]], left: int = 1, code: int = 0) -> str:
    """Cells as an HTML table.

    Args:
        rows: of equal length, the first are the headings.
        left: how many columns are flush left; those behind them are flush right.
        code: how many columns, from the left, are code.
    """

    def row(cells: Sequence[str], tag: str) -> str:
        written = []
        for i, cell in enumerate(map(escape, cells)):
            shown = f"<code>{cell}</code>" if i < code and tag == "td" else cell
            style = "text-align: left" if i < left else "text-align: right; white-space: nowrap"
            written.append(f'<{tag} style="{style}">{shown}</{tag}>')
        return f"<tr>{''.join(written)}</tr>"

    return f"<table>{row(rows[0], 'th')}{''.join(row(cells, 'td') for cells in rows[1:])}</table>"
