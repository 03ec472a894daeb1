"""The picture of a graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Patch

from kerasflow.graph import Graph
from kerasflow.inspect.drawing.boxes import INPUT, OPERATION, RESULT, STATE, Box, boxes_of
from kerasflow.inspect.drawing.figure import Picture
from kerasflow.inspect.drawing.layout import layered
from kerasflow.text import drawn, shortened_path

# More operations than these are drawn layer by layer.
OPERATIONS = 60
# How boxes of other kinds than operations are filled.
_FILLS = {INPUT: "#d9d9d9", STATE: "#f5ecd0", RESULT: "#d9d9d9"}
# A box: of so many inches each character is wide, and so high it and the space below are.
_CHARACTER, _HEIGHT, _SPACE = 0.075, 0.42, 0.28
# So many characters of a name are in the legend.
_LEGEND = 24


def draw_graph(graph: Graph, by: str | None = None, inputs: Mapping[int, str] | None = None) -> Figure:
    """Draws a graph from the inputs at the top to the results at the bottom.

    Args:
        by: `"operation"` or `"layer"`: what a box stands for; None takes operations if there are at most `OPERATIONS`.
        inputs: what makes some of the inputs, by their places.
    """
    by = by or ("operation" if len(graph.nodes) <= OPERATIONS else "layer")
    picture = boxes_of(graph, by == "layer", inputs or {})
    boxes = picture.boxes
    widths = {key: 0.2 + _CHARACTER * max(len(box.title), len(box.detail)) for key, box in boxes.items()}
    places, ways = layered(widths, picture.arrows)
    step = _HEIGHT + _SPACE
    lowest = max((rank for _, rank in places.values()), default=0)
    reach = [(x, widths[key] / 2) for key, (x, _) in places.items()]
    reach += [(x, 0.0) for points in ways.values() for x, _ in points]
    left = min((x - half for x, half in reach), default=0.0) - 0.2
    right = max((x + half for x, half in reach), default=0.0) + 0.2
    colours = _colours(list(boxes.values()))
    legend = [
        Patch(facecolor=colour, edgecolor="#555555", label=_legend(name)) for name, colour in colours.items()
    ]
    if any(box.gradient for box in boxes.values()):
        legend.append(Patch(facecolor="white", edgecolor="#c00000", linestyle="--", label="derivative"))
    above = 0.1 + 0.17 * -(-len(legend) // 3) if legend else 0.0
    width, height = max(right - left, 4.0), (lowest + 1) * step + above
    figure = Picture(figsize=(width, height))
    axes = figure.add_axes((0, 0, 1, 1))
    middle = (left + right) / 2
    axes.set(
        xlim=(middle - width / 2, middle + width / 2), ylim=(height - above - _SPACE / 2, -above - _SPACE / 2)
    )
    axes.axis("off")
    for points in ways.values():
        _draw_way(axes, points, step)
    for key, box in boxes.items():
        x, rank = places[key]
        axes.add_patch(
            FancyBboxPatch(
                (x - widths[key] / 2, rank * step),
                widths[key],
                _HEIGHT,
                boxstyle=f"round,pad=0,rounding_size={0.05 if box.kind == OPERATION else 0.2}",
                facecolor=colours.get(box.layer, "white") if box.kind == OPERATION else _FILLS[box.kind],
                edgecolor="#c00000" if box.gradient else "#555555",
                linestyle="--" if box.gradient else "-",
                zorder=2,
            )
        )
        lines = [line for line in (box.title, box.detail) if line]
        for i, line in enumerate(lines):
            y = rank * step + _HEIGHT * (i + 1) / (len(lines) + 1)
            axes.text(x, y, drawn(line), ha="center", va="center", fontsize=8 - 1.5 * i, zorder=3)
    if legend:
        axes.legend(handles=legend, loc="upper center", ncols=3, fontsize=7, frameon=False, borderaxespad=0.2)
    return figure


def _legend(name: str) -> str:
    """A layer's name beside its colour; to Matplotlib an underscore in front means that there is to be no label."""
    text = drawn(shortened_path(name, _LEGEND))
    return f" {text}" if text.startswith("_") else text


def _draw_way(axes: Axes, points: Sequence[tuple[float, int]], step: float) -> None:
    """An arrow from the first box to the last, past the boxes between."""
    path = [(points[0][0], points[0][1] * step + _HEIGHT)]
    for x, rank in points[1:-1]:
        path += [(x, rank * step), (x, rank * step + _HEIGHT)]
    path.append((points[-1][0], points[-1][1] * step))
    xs, ys = zip(*path, strict=True)
    axes.plot(xs[:-1], ys[:-1], color="#999999", linewidth=0.8, zorder=1, solid_joinstyle="round")
    arrow = {"arrowstyle": "-|>", "color": "#999999", "linewidth": 0.8, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", path[-1], path[-2], arrowprops=arrow, zorder=1)


def _colours(boxes: Sequence[Box]) -> dict[str, str]:
    """A light colour for each layer; none where no layer has a name."""
    layers = list(dict.fromkeys(box.layer for box in boxes if box.layer))
    # The light ones of the palette's pairs first, all of them lighter still.
    order = [colormaps["tab20"](i) for i in (*range(1, 20, 2), *range(0, 20, 2))]
    lighter = [
        to_hex((0.35 + 0.65 * red, 0.35 + 0.65 * green, 0.35 + 0.65 * blue)) for red, green, blue, _ in order
    ]
    return {layer: lighter[i % len(lighter)] for i, layer in enumerate(layers)}
