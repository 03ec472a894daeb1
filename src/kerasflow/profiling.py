"""What a step's time and memory go into: the report of `kerasflow.profile`, as text, as HTML and as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kerasflow.graph import Measurement, split_scope
from kerasflow.text import html, html_table, shortened, table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# The parts of a step that a layer has, in their order.
PHASES = ("forward", "gradient", "update")
# What has no name.
OTHER = "(other)"

HOTTEST = 10
_LINE = 76


@dataclass(frozen=True)
class LayerCost:
    """What one layer, or one other part of the step, costs.

    Attributes:
        layer: its path. forward, gradient, update: seconds.
        calls: how many calls of NumPy's functions (lines of the program, as often as they ran).
        allocated: bytes of results that came into use in its lines.
        held: the most bytes of results that were in use while one of its lines ran, other layers' included.
    """

    layer: str
    forward: float = 0.0
    gradient: float = 0.0
    update: float = 0.0
    calls: int = 0
    allocated: int = 0
    held: int = 0

    @property
    def seconds(self) -> float:
        """Its part of the step, in seconds."""
        return self.forward + self.gradient + self.update


@dataclass(frozen=True)
class Profile:
    """The time and the memory of one step; print it, show it in a notebook, or `plot` it.

    Attributes:
        title: which step it is.
        seconds: of the step as it runs in `fit`.
        lines: of the program, in the order in which they ran, with the clock: together a little more than `seconds`.
        optimizer: the name under which the optimizer's lines are found, "" if there is none.
        state, inputs: bytes of the weights and all other state, and of the batch.
        kept: bytes that the program has between steps besides: its workspace, which all programs of a thread share,
            and its constants.
    """

    title: str
    seconds: float
    lines: list[Measurement]
    optimizer: str
    state: int
    inputs: int
    kept: int = 0

    @property
    def measured(self) -> float:
        """The seconds of all lines together, with the clock."""
        return sum(line.seconds for line in self.lines)

    @property
    def peak(self) -> int:
        """The most bytes that results and what leads to them take at once."""
        return max((line.held for line in self.lines), default=0)

    @property
    def hottest(self) -> list[Measurement]:
        """The lines, the one that takes the most time first."""
        return sorted(self.lines, key=lambda line: -line.seconds)

    @property
    def layers(self) -> list[LayerCost]:
        """The costs by layer, the dearest first."""
        found: dict[str, list[Measurement]] = {}
        for line in self.lines:
            found.setdefault(self.place(line)[0], []).append(line)
        costs = [self._cost(layer, lines) for layer, lines in found.items()]
        return sorted(costs, key=lambda cost: -cost.seconds)

    def place(self, line: Measurement) -> tuple[str, str]:
        """The layer that a line comes from, and its phase: one of `PHASES`."""
        layer, gradient = split_scope(line.scope)
        optimizer = self.optimizer and layer.partition("/")[0] == self.optimizer
        return layer or OTHER, "gradient" if gradient else "update" if optimizer else "forward"

    def named(self, line: Measurement) -> str:
        """The layer that a line comes from, as users read it: `grad …` for its derivative."""
        layer, phase = self.place(line)
        return f"grad {layer}" if phase == "gradient" else layer

    def _cost(self, layer: str, lines: Sequence[Measurement]) -> LayerCost:
        seconds = dict.fromkeys(PHASES, 0.0)
        for line in lines:
            seconds[self.place(line)[1]] += line.seconds
        return LayerCost(
            layer,
            **seconds,
            calls=sum(line.calls for line in lines),
            allocated=sum(line.allocated for line in lines),
            held=max(line.held for line in lines),
        )

    # -- shown ----------------------------------------------------------------------------------------------

    def _parts(self) -> tuple[list[str], list[list[str]], list[list[str]]]:
        """The sentences at the top, the table of layers, the table of lines."""
        more = self.measured / self.seconds - 1 if self.seconds else 0.0
        head = [
            f"{shortened(self.title, 2 * _LINE)}: {milliseconds(self.seconds)}.",
            f"With a clock behind each line, as below, {milliseconds(self.measured)} ({more:+.0%}).",
        ]
        costs = [["layer", *PHASES, "together", "share", "calls", "allocated", "held"]]
        for cost in self.layers:
            costs.append(
                [
                    shortened(cost.layer, _LINE),
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
                    shortened(self.named(line), _LINE),
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
        from kerasflow.plotting import draw_profile

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
