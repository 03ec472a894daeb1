"""`kerasflow.plot_graph`: the picture of what a model or a function computes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kerasflow.graph import Graph
from kerasflow.inspect.traceable import entry_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_graph(
    what: Callable[..., Any] | Graph, *arrays: Any, of: str | None = None, by: str | None = None
) -> Figure:
    """Draw the graph of a model's step, or of a function of arrays.

    Args:
        what: a Keras model, a layer, a function in plain NumPy or `keras.ops`, or a graph.
        arrays: for a model one batch, and its labels for a training step (without a batch, a prediction for one
            sample); for a layer or a function its arguments.
        of: of a model, which step, as for `kerasflow.explain`.
        by: `"operation"` for a box for each operation, `"layer"` for one for each layer; by default operations, where
            there are not too many to be read.

    Returns:
        A matplotlib figure. A notebook shows it; `savefig("graph.png")` keeps it.

    Raises:
        ValueError: if `by` is something else, or by Keras if shapes do not fit.
        TypeError: if `what` is something else.
        TracingError: if the function needs a value while it is traced.
    """
    from kerasflow.inspect.drawing import draw_graph  # It needs matplotlib, which may be missing.

    if by not in (None, "operation", "layer"):
        raise ValueError(f'by is "operation" or "layer"; received {by!r}')
    if isinstance(what, Graph):
        return draw_graph(what, by)
    entry = entry_of(what, arrays, {}, of)
    return draw_graph(entry.graph, by, {i: str(call) for i, call in entry.made_on_host.items()})
