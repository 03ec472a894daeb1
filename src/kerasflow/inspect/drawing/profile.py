"""The picture of a profile: time by layer, memory by line."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from kerasflow.inspect.costs import PHASES, Costs
from kerasflow.inspect.drawing.boxes import LONGEST
from kerasflow.inspect.drawing.figure import Picture
from kerasflow.text import drawn, shortened, shortened_path

# More layers than these are one bar.
LAYERS = 15
# From so many bytes on memory is shown in megabytes.
_MEGABYTES = 1e5


def draw_profile(profile: Costs) -> Figure:
    """Draws the time of each layer, and the memory that is held while each line of the program runs."""
    costs = profile.layers
    rows = [(cost.layer, [getattr(cost, phase) for phase in PHASES]) for cost in costs[:LAYERS]]
    if rest := costs[LAYERS:]:
        sums = [sum(getattr(cost, phase) for cost in rest) for phase in PHASES]
        rows.append((f"{len(rest)} others", sums))
    figure = Picture(figsize=(10, 3.6 + 0.32 * len(rows)), layout="constrained")
    heights = (1 + 0.32 * len(rows), 2.4)
    bars, memory = figure.subplots(2, 1, height_ratios=heights)
    places, left = np.arange(len(rows)), np.zeros(len(rows))
    for number, phase in enumerate(PHASES):
        part = 1e3 * np.array([seconds[number] for _, seconds in rows])
        bars.barh(places, part, left=left, color=f"C{number}", label=phase)
        left += part
    bars.set_yticks(places, labels=[drawn(shortened_path(layer, LONGEST)) for layer, _ in rows])
    bars.invert_yaxis()
    bars.set(title=drawn(shortened(profile.title, 2 * LONGEST)), xlabel="milliseconds")
    bars.legend(loc="lower right")
    bars.grid(axis="x", alpha=0.3)
    held = np.array([line.held for line in profile.lines], np.float64)
    unit, scale = ("MB", 1e6) if held.max(initial=0) >= _MEGABYTES else ("kB", 1e3)
    held /= scale
    phases = [profile.place(line)[1] for line in profile.lines]
    for number, phase in enumerate(PHASES):
        here = [at == phase for at in phases]
        memory.bar(np.arange(len(held))[here], held[here], width=1.0, color=f"C{number}")
    peak = int(np.argmax(held))
    memory.annotate(
        f"{held[peak]:.2f} {unit} in {drawn(shortened(profile.named(profile.lines[peak]), LONGEST))}",
        (peak, held[peak]),
        (0, 6),
        textcoords="offset points",
        ha="left" if peak < len(held) / 2 else "right",
    )
    memory.set(xlabel="line of the program", ylabel=f"{unit} held for results", xlim=(-0.5, len(held) - 0.5))
    memory.set_ylim(0, 1.2 * held[peak] or 1)
    memory.grid(axis="y", alpha=0.3)
    return figure
