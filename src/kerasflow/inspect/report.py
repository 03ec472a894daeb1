"""What a step's time and memory go into: the report of `kerasflow.profile`, as text, as HTML and as a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kerasflow.inspect.costs import PHASES, Costs
from kerasflow.text import html, html_table, shortened, shortened_path, table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HOTTEST = 10
_LINE = 76


class Profile(Costs):
    """The time and the memory of one step; print it, show it in a notebook, or `plot` it."""

    def _parts(self) -> tuple[list[str], list[list[str]], list[list[str]]]:
        """The sentences at the top, the table of layers, the table of lines."""
        more = self.measured / self.seconds - 1 if self.seconds else 0.0
        head = [
            f"{shortened(self.title, 2 * _LINE)}: {milliseconds(self.seconds)}.",
            f"With a clock behind each line, as below, {milliseconds(self.measured)} ({more:+.0%}).",
            *([self.sharing] if self.sharing else []),
        ]
        costs = [["layer", *PHASES, "together", "share", "calls", "allocated", "held"]]
        for cost in self.layers:
            costs.append(
                [
                    shortened_path(cost.layer, _LINE),
                    *(
                        milliseconds(part) if part else ""
                        for part in (cost.forward, cost.gradient, cost.update)
                    ),
                    milliseconds(cost.seconds),
                    self._share(cost.seconds),
                    str(cost.calls),
                    size(cost.allocated),
                    size(cost.held),
                ]
            )
        lines = [["hottest lines", "layer", "time", "share", "calls"]]
        for line in self.hottest[:HOTTEST]:
            lines.append(
                [
                    shortened(line.line, _LINE),
                    shortened_path(self.named(line), _LINE),
                    milliseconds(line.seconds),
                    self._share(line.seconds),
                    str(line.calls),
                ]
            )
        return head, costs, lines

    def _share(self, seconds: float) -> str:
        return f"{seconds / self.measured:.1%}" if self.measured else ""

    def _memory(self) -> str:
        return (
            f"Memory: {size(self.state)} weights and other state, {size(self.inputs)} batch, "
            f"at most {size(self.peak)} held for results at once, {size(self.kept)} kept for them between steps."
        )

    def __str__(self) -> str:
        head, costs, lines = self._parts()
        parts = ["\n".join(head), table(costs), table(lines, left=2), self._memory()]
        return "\n\n".join(parts)

    def _repr_html_(self) -> str:
        head, costs, lines = self._parts()
        text = "".join(f"<p>{html(sentence)}</p>" for sentence in [" ".join(head), self._memory()])
        return text + html_table(costs) + html_table(lines, left=2, code=1)

    def plot(self) -> Figure:
        """A picture: the time of each layer, and the memory that is held from line to line."""
        from kerasflow.inspect.drawing import draw_profile

        return draw_profile(self)


def milliseconds(seconds: float) -> str:
    """Seconds in milliseconds, with three or four digits."""
    ms = 1e3 * seconds
    return f"{ms:.0f} ms" if ms >= 100 else f"{ms:.2f} ms" if ms >= 1 else f"{ms:.3f} ms"


def size(nbytes: int) -> str:
    """Bytes in the unit that suits them."""
    if nbytes < 1000:
        return f"{nbytes} B"
    return f"{nbytes / 1e3:.1f} kB" if nbytes < 1e6 else f"{nbytes / 1e6:.1f} MB"
