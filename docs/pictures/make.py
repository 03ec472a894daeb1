"""Makes the pictures of the README and of the site, each for a light and for a dark page.

    python docs/pictures/make.py                  those that come out the same each time
    python docs/pictures/make.py --measured       those with seconds in them too: a training, a profile

They are SVG, with their text as text. `tests/test_pictures.py` makes the first again and compares; of the others it
compares what is no figure. The chart is drawn of the tables in docs/performance.md.
"""

from __future__ import annotations

import argparse
import io
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path

import kerasflow  # isort: skip  (before Keras)
import keras
import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.syntax import Syntax
from rich.terminal_theme import TerminalTheme
from rich.text import Text

HERE = Path(__file__).resolve().parent
MODES = ("light", "dark")
INK = {"light": "#1f2328", "dark": "#e6edf3"}
PAPER = {"light": "#ffffff", "dark": "#0d1117"}
FAINT = {"light": "#f0f3f8", "dark": "#1c2430"}
BLUE, ORANGE, GREEN, GREY = "#3b7dd8", "#d8743b", "#3a9d5d", "#8b949e"
FONT = "ui-sans-serif, system-ui, Segoe UI, Helvetica, Arial, sans-serif"


# -- the drawing of the architecture ------------------------------------------------------------------------------

# A box's place in a grid of columns and rows, its title and what is below it.
BOXES: list[tuple[float, int, float, str, str, str]] = [
    (0, 0, 6, "Keras 3, unchanged", "layers · optimizers · losses · metrics · callbacks · files", GREY),
    (0, 1, 1.4, "bridge", "Keras’s backend interface", BLUE),
    (1.55, 1, 1.4, "tracing", "NumPy’s functions, noted", BLUE),
    (3.1, 1, 1.4, "graph", "NumPy is the language", BLUE),
    (4.65, 1, 1.35, "autodiff · passes", "derivatives, a better graph", BLUE),
    (0, 2, 1.9, "NumPy", "flat functions, BLAS, threads", GREEN),
    (2.05, 2, 1.9, "TensorFlow", "tf.function, XLA, GPU", ORANGE),
    (4.1, 2, 1.9, "PyTensor", "Theano’s heir", ORANGE),
    (0, 3, 6, "Files", "a Python file that needs NumPy alone · ONNX · SavedModel", GREY),
]
COLUMN, TOPS, WIDE, HIGH = 140, (20, 130, 240, 340), 900, 420


def architecture(mode: str) -> str:
    """Boxes from Keras to the backends, with the way that data takes."""
    parts = [
        f'<rect x="16" y="100" width="{6 * COLUMN + 28}" height="102" rx="12" fill="none" stroke="{BLUE}" '
        'stroke-dasharray="5 4"/>'
        '<text x="864" y="119" text-anchor="end" font-size="13" opacity="0.8">'
        "kerasflow: the whole step, traced once</text>"
    ]
    for column, row, width, title, below, colour in BOXES:
        x, y, w, h = 30 + column * COLUMN, TOPS[row], width * COLUMN, 62
        parts.append(
            f'<rect x="{x}" y="{y}" width="{w:.0f}" height="{h}" rx="8" fill="{FAINT[mode]}" stroke="{colour}" '
            'stroke-width="2"/>'
            f'<text x="{x + w / 2:.0f}" y="{y + 27}" text-anchor="middle" font-size="17" font-weight="600">'
            f"{escape(title)}</text>"
            f'<text x="{x + w / 2:.0f}" y="{y + 48}" text-anchor="middle" font-size="13" opacity="0.8">'
            f"{escape(below)}</text>"
        )
    arrows = [(30 + 0.7 * COLUMN, 82, 30 + 0.7 * COLUMN, 130)]
    arrows += [(30 + c * COLUMN, 161, 30 + (c + 0.15) * COLUMN, 161) for c in (1.4, 2.95, 4.5)]
    arrows += [(30 + c * COLUMN, 202, 30 + c * COLUMN, 240) for c in (0.95, 3.0, 5.05)]
    arrows += [(30 + c * COLUMN, 302, 30 + c * COLUMN, 340) for c in (0.95, 3.0)]
    lines = "".join(
        f'<line x1="{a:.0f}" y1="{b:.0f}" x2="{c:.0f}" y2="{d:.0f}" stroke="{INK[mode]}" stroke-width="1.6" '
        'marker-end="url(#tip)"/>'
        for a, b, c, d in arrows
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDE} {HIGH}" font-family="{FONT}" fill="{INK[mode]}">'
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        f'<path d="M0 0L8 4L0 8z" fill="{INK[mode]}"/></marker></defs>{"".join(parts)}{lines}</svg>\n'
    )


# -- text in colours ----------------------------------------------------------------------------------------------

_ANSI = [
    (46, 52, 64),
    (191, 97, 106),
    (94, 129, 72),
    (170, 120, 40),
    (59, 125, 216),
    (160, 90, 150),
    (60, 140, 150),
]


def _rgb(colour: str) -> tuple[int, int, int]:
    return tuple(int(colour[i : i + 2], 16) for i in (1, 3, 5))  # type: ignore[return-value]


def _theme(mode: str) -> TerminalTheme:
    return TerminalTheme(_rgb(PAPER[mode]), _rgb(INK[mode]), [*_ANSI, _rgb(INK[mode])])


def terminal(content: Sequence[object], title: str, width: int, mode: str) -> str:
    """What is printed, as a window. Its font is the reader's own: nothing is fetched."""
    console = Console(
        record=True, width=width, file=io.StringIO(), force_terminal=True, color_system="truecolor"
    )
    for part in content:
        console.print(part, soft_wrap=False, highlight=False)
    form = re.sub(r"@font-face \{\{.*?\}\}\n", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    form = form.replace("Fira Code, monospace", "ui-monospace, SFMono-Regular, Menlo, Consolas, monospace")
    return console.export_svg(title=title, theme=_theme(mode), code_format=form, unique_id="picture") + "\n"


def code(text: str, mode: str) -> Syntax:
    """Python in colours."""
    theme = "friendly" if mode == "light" else "github-dark"
    return Syntax(text, "python", theme=theme, background_color=PAPER[mode], word_wrap=False)


WIDTH = 112  # characters
LAYERS = """\
model = keras.Sequential([
    keras.Input((784,)),
    keras.layers.Dense(512, activation="relu", name="hidden"),
    keras.layers.Dense(10, activation="softmax", name="digits"),
])
model.compile("sgd", "mse")

print(kerasflow.explain(model, x, y))
"""


def program(mode: str) -> str:
    """A model, and the program of its training step."""
    keras.utils.clear_session()  # for the model's name
    names: dict[str, object] = {"keras": keras, "kerasflow": _Silent(), "x": None, "y": None, "print": id}
    exec(LAYERS, names)
    model = names["model"]
    explained = kerasflow.explain(model, np.zeros((128, 784)), np.zeros((128, 10)))
    lines = explained.splitlines()
    begin = next(i for i, line in enumerate(lines) if "forward" in line)
    end = next(i for i, line in enumerate(lines) if "metrics ----" in line)
    shown = ["def train_step(x, y):", *lines[begin:end], "    ..."]
    fitting = [line if len(line) <= WIDTH else line.partition("  # ")[0] for line in shown]
    parts = [code(LAYERS, mode), Text("─" * WIDTH, style="dim"), code("\n".join(fitting), mode)]
    return terminal(parts, "a model, and its training step as kerasflow.explain shows it", WIDTH, mode)


class _Silent:
    """Stands for kerasflow where the code that is shown is executed for its model alone."""

    def explain(self, *arguments: object) -> str:
        return ""


# -- charts -------------------------------------------------------------------------------------------------------


def _svg(figure: Figure, paper: str | None) -> str:
    file = io.StringIO()
    ground = {"transparent": True} if paper is None else {"facecolor": paper}
    figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None}, **ground)
    return re.sub(r"[ \t]+$", "", file.getvalue(), flags=re.MULTILINE)


def _styled(draw: Callable[[str], Figure], mode: str, paper: str | None = None) -> str:
    ink = INK[mode]
    style = {
        **dict.fromkeys(
            ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), ink
        ),
        "legend.facecolor": PAPER[mode],
        "svg.fonttype": "none",
        "svg.hashsalt": "kerasflow",
        "font.family": "sans-serif",
        "axes.spines.top": False,
        "axes.spines.right": False,
    }
    with mpl.rc_context(style):
        return _svg(draw(mode), paper)


def measured_tables() -> dict[str, dict[str, list[str]]]:
    """The tables of docs/performance.md: for each program each contestant's cells."""
    found: dict[str, dict[str, list[str]]] = {}
    program = ""
    for line in (HERE.parent / "performance.md").read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| ") and "steady epoch" in cells:
            program = cells[0] if cells[0] not in found else ""
            found.setdefault(cells[0], {})
        elif program and line.startswith("| ") and "/" not in cells[0] and "---" not in cells[0]:
            found[program][cells[0].split()[0]] = cells[1:]
        elif not line.startswith("|"):
            program = ""
    return found


_CONTESTANTS = {"kerasflow": BLUE, "tensorflow": ORANGE, "jax": GREEN}


def _benchmark(mode: str) -> Figure:
    tables = measured_tables()
    programs = [name for name in ("mlp", "cnn", "lstm", "attention", "resnet") if name in tables]
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    for axes, (title, column) in zip(
        figure.subplots(1, 2), (("whole process, seconds", 3), ("peak memory, MB", 4)), strict=True
    ):
        for i, (who, colour) in enumerate(_CONTESTANTS.items()):
            heights = [float(tables[name][who][column].split()[0]) for name in programs]
            places = np.arange(len(programs)) + 0.27 * (i - 1)
            axes.bar(
                places,
                heights,
                width=0.25,
                color=colour,
                label=f"{who}" if who == "kerasflow" else f"Keras on {who}",
            )
        axes.set_xticks(np.arange(len(programs)), programs)
        axes.set_title(title, fontsize=11)
    figure.axes[0].legend(frameon=False, fontsize=9)
    return figure


def benchmark(mode: str) -> str:
    """The tables of docs/performance.md as bars."""
    return _styled(_benchmark, mode)


def graph(mode: str) -> str:
    """`plot_graph` of a small model's prediction."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(8, "tanh", name="hidden"), keras.layers.Dense(1, name="out")],
        name="model",
    )
    # Its boxes are light, and so is the ground.
    return _styled(
        lambda _: kerasflow.plot_graph(model, np.zeros((32, 4), "float32")), "light", PAPER["light"]
    )


# -- what is measured ---------------------------------------------------------------------------------------------


def mnist(mode: str) -> str:
    """`kerasflow mnist`, as it looks on a terminal."""
    if not _mnist_lines:
        command = [Path(sys.executable).with_name("kerasflow"), "mnist", "--epochs", "5", *sys.argv[2:]]
        printed = subprocess.run(command, capture_output=True, check=True).stdout.decode()
        # Of a bar that moves, where it ends.
        _mnist_lines.extend(line.rpartition("\r")[2] for line in printed.strip().split("\n"))
    content = [Text("$ kerasflow mnist --epochs 5", style="bold"), *map(Text.from_ansi, _mnist_lines)]
    return terminal(content, "kerasflow mnist", 118, mode)


_mnist_lines: list[str] = []


def profile(mode: str) -> str:
    """`profile` of a convolutional network's training step."""
    L = keras.layers
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            L.Conv2D(16, 3, activation="relu", name="conv"),
            L.MaxPooling2D(name="pool"),
            L.Flatten(name="flatten"),
            L.Dropout(0.5, name="dropout"),
            L.Dense(10, name="digits"),
        ],
        name="cnn",
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, metrics=["accuracy"])
    report = kerasflow.profile(model, np.ones((128, 28, 28, 1), "float32"), np.ones(128, int))
    return _styled(lambda mode: report.plot(), mode)


STEADY: dict[str, Callable[[str], str]] = {
    "architecture": architecture,
    "program": program,
    "benchmark": benchmark,
    "graph": graph,
}
MEASURED: dict[str, Callable[[str], str]] = {"mnist": mnist, "profile": profile}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--measured", action="store_true", help="those with seconds in them too")
    chosen, _ = parser.parse_known_args()
    for name, draw in {**STEADY, **(MEASURED if chosen.measured else {})}.items():
        for mode in MODES:
            (HERE / f"{name}-{mode}.svg").write_text(draw(mode), encoding="utf-8")
            print(f"{name}-{mode}.svg")


if __name__ == "__main__":
    main()
