"""The picture of a training run: its curves, and how the network reads some digits."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from kerasflow.inspect.drawing.figure import Picture

COLUMNS = 10


def draw_run(
    history: dict[str, list[float]],
    images: NDArray[np.uint8],
    labels: NDArray[np.uint8],
    predictions: NDArray[np.float32],
    notice: str = "",
) -> Figure:
    """Draws loss and accuracy over the epochs, ten images read rightly and ten read wrongly.

    Args:
        history: `loss`, `val_loss`, `accuracy` and `val_accuracy`, a number for each epoch.
        images: uint8 (n, 28, 28).
        labels: uint8 (n,), what the images show.
        predictions: float32 (n, 10), the probabilities that the network gave.
        notice: what has to be said of the images, above it all; "" if there is nothing.
    """
    figure = Picture(figsize=(11, 7), layout="constrained")
    halves = figure.add_gridspec(2, 1, height_ratios=(3, 2))
    curves, digits = figure.add_subfigure(halves[0]), figure.add_subfigure(halves[1])
    if notice:
        curves.suptitle(notice, color="C3")
    for axes, name in zip(curves.subplots(1, 2), ("loss", "accuracy"), strict=True):
        epochs = np.arange(1, len(history[name]) + 1)
        axes.plot(epochs, history[name], marker=".", label="training")
        axes.plot(epochs, history[f"val_{name}"], marker=".", label="validation")
        axes.set(title=name, xlabel="epoch", xlim=(0.5, len(epochs) + 0.5))
        axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
        axes.grid(alpha=0.3)
        axes.legend()
    read = predictions.argmax(axis=1)
    certainty = predictions.max(axis=1)
    wrong = np.flatnonzero(read != labels)
    wrong = wrong[np.argsort(-certainty[wrong], kind="stable")]  # the surest mistakes first
    right = np.flatnonzero(read == labels)
    grid = digits.subplots(2, COLUMNS)
    digits.suptitle(f"{len(right):,} of {len(labels):,} test images read rightly, {len(wrong):,} wrongly")
    for row, chosen in zip(grid, (right, wrong), strict=True):
        for axes in row:
            axes.axis("off")
        for axes, i in zip(row, chosen[:COLUMNS], strict=False):
            axes.imshow(images[i], cmap="gray_r")
            text, colour = (
                (f"{read[i]}", "black") if read[i] == labels[i] else (f"{read[i]}, not {labels[i]}", "C3")
            )
            axes.set_title(text, color=colour)
    return figure
