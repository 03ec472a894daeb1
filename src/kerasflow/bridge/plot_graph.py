"""`kerasflow.plot_graph`: the picture of what a model or a function computes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import keras

from kerasflow.bridge.step import step_name, traced
from kerasflow.compiler import CompiledFunction
from kerasflow.graph import Graph

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_graph(
    what: Callable[..., Any] | Graph, *arrays: Any, step: str | None = None, by: str | None = None
) -> Figure:
    """Draw the graph of a model's step, or of a function of arrays.

    Args:
        what: a Keras model, a function in plain NumPy or `keras.ops`, or a graph.
        arrays: for a model one batch, and its labels for a training step (without a batch, a prediction for one
            sample); for a function its arguments.
        step: of a model, as for `kerasflow.explain`.
        by: `"operation"` for a box for each operation, `"layer"` for one for each layer; by default operations, where
            there are not too many to be read.

    Returns:
        A matplotlib figure. A notebook shows it; `savefig("graph.png")` keeps it.

    Raises:
        ValueError: if `by` is something else, or by Keras if shapes do not fit.
        TracingError: if the function needs a value while it is traced.
    """
    from kerasflow.plotting import draw_graph

    if by not in (None, "operation", "layer"):
        raise ValueError(f'by is "operation" or "layer"; received {by!r}')
    return draw_graph(_graph(what, arrays, step), by)


def _graph(what: Any, arrays: tuple[Any, ...], step: str | None) -> Graph:
    if isinstance(what, Graph):
        return what
    if not isinstance(what, keras.Model):
        return CompiledFunction(what).entry(arrays)[0].graph
    x, y = (*arrays, None, None)[:2]
    return traced(what, x, y, step_name(step, y))[0].graph
