"""`kerasflow.explain`: what a model runs, as NumPy source that can be read."""

from __future__ import annotations

from typing import Any

from kerasflow.bridge.step import step_name, traced
from kerasflow.compiler import Entry, current_backend
from kerasflow.compiler.compile import compile_graph


def explain(model: Any, x: Any = None, y: Any = None, step: str | None = None) -> str:
    """The program that one step of a model runs, as the NumPy function that the NumPy backend makes of it.

    Each line has the shape and dtype of its result; a comment names the Keras
    layer that the lines below come from (`grad …` for its derivative).

    Args:
        model: a Keras model.
        x: a batch (an array, or a nested structure of them) to trace the step
            for. Without it, the step that the model ran last is shown, and a model
            that never ran shows its prediction for one sample.
        y: the batch's labels, likewise.
        step: `"train"`, `"test"` or `"predict"`; by default the training step if
            `y` is given or the model was trained, else prediction.

    Returns:
        Python source; print it.

    Raises:
        KerasflowError: if there is no batch to trace the step for.
    """
    name = step_name(step, y)
    entry = _last_entry(model, x, step) or traced(model, x, y, name)[0]
    program = entry.program
    if not hasattr(program, "source"):
        _, program = compile_graph(entry.graph, current_backend("numpy"))
    return str(program.source)  # type: ignore[attr-defined]


def _last_entry(model: Any, x: Any, step: str | None) -> Entry | None:
    """The program that ran last, if no batch is given."""
    if x is not None:
        return None
    for name in [step] if step else ["train", "predict"]:
        step_of_function = getattr(getattr(model, f"{name}_function", None), "step", None)
        entries = list(step_of_function.compiled.entries.values()) if step_of_function else []
        if entries:
            # A short last batch is traced after the full ones.
            return entries[0]
    return None
