"""Pictures, by matplotlib: of a training run, of a profile, of a graph.

A history, what a step costs, or a graph comes in, a figure goes out. Open `graph` first.
"""

try:
    from kerasflow.inspect.drawing.graph import draw_graph
    from kerasflow.inspect.drawing.profile import draw_profile
    from kerasflow.inspect.drawing.run import draw_run
except ModuleNotFoundError as error:
    if error.name != "matplotlib":
        raise
    message = 'Pictures need matplotlib. Install it with: pip install "kerasflow[plot]"'
    raise ModuleNotFoundError(message, name="matplotlib") from error

__all__ = ["draw_graph", "draw_profile", "draw_run"]
