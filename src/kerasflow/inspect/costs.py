"""What a step's time and memory go into, as data: by line, and summed up by layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kerasflow.graph import Measurement, split_scope

# The parts of a step that a layer has, in their order.
PHASES = ("forward", "gradient", "update")
# What has no name.
OTHER = "(other)"


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
class Costs:
    """The time and the memory of one step.

    Attributes:
        title: which step it is.
        seconds: of the step as it runs in `fit`.
        lines: of the program, in the order in which they ran, with the clock: together a little more than `seconds`.
        optimizer: the name under which the optimizer's lines are found, "" if there is none.
        state, inputs: bytes of the weights and all other state, and of the batch.
        kept: bytes that the program has between steps besides: its workspace, which all programs of a thread share,
            and its constants.
        sharing: how the step is shared out among processes, of which this is the first's; "" if it is not.
    """

    title: str
    seconds: float
    lines: list[Measurement]
    optimizer: str
    state: int
    inputs: int
    kept: int = 0
    sharing: str = ""

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
