"""`kerasflow.explain`: what a model or a function runs, as NumPy source that can be read."""

from __future__ import annotations

from typing import Any

from kerasflow.compiler import Entry, current_backend
from kerasflow.compiler.compile import compile_graph
from kerasflow.inspect.traceable import entry_of


def explain(what: Any, *arrays: Any, step: str | None = None, **named: Any) -> str:
    """The program that one step of a model, or a function, runs, as the NumPy function that the NumPy backend makes.

    Each line has the shape and dtype of its result; a comment names the Keras
    layer that the lines below come from (`grad …` for its derivative).

    Args:
        what: a Keras model, a layer, or a function in plain NumPy or `keras.ops` (also `kerasflow.jit`'s and
            `kerasflow.grad`'s).
        arrays: for a model a batch (an array, or a nested structure of them) and its labels, for which the step is
            traced. Without them, the step that the model ran last is shown, and a model that never ran shows its
            prediction for one sample. For a layer or a function its arguments.
        step: of a model: `"train"`, `"test"` or `"predict"`; by default the training step if
            there are labels or the model was trained, else prediction.
        named: the same by name: `x` and `y` of a model, a function's keyword arguments.

    Returns:
        Python source; print it.

    Raises:
        KerasflowError: if there is no batch to trace the step for.
        TracingError: if the function needs a value while it is traced.
        TypeError: if `what` is something else.
    """
    shown = None if arrays or named else _last_entry(what, step)
    entry = shown or entry_of(what, arrays, named, step)
    program = entry.program
    if not hasattr(program, "source"):
        _, program = compile_graph(entry.graph, current_backend("numpy"))
    return _on_host(entry) + str(program.source)  # type: ignore[attr-defined]


def _on_host(entry: Entry) -> str:
    """What is done before the program, as comments."""
    names: dict[int, list[str]] = {}
    for i, call in entry.made_on_host.items():
        names.setdefault(id(call), []).append(f"x{i}")
    lines = []
    for call in entry.host:
        made = ", ".join(names.get(id(call), ["text"]))
        types = ", ".join(map(str, call.results))
        lines.append(f"#   {made} = {call}  # {types}\n")
    return "".join(["# On the host, before each call:\n", *lines, "\n"]) if lines else ""


def _last_entry(model: Any, step: str | None) -> Entry | None:
    """The program that a model ran last."""
    for name in [step] if step else ["train", "predict"]:
        step_of_function = getattr(getattr(model, f"{name}_function", None), "step", None)
        entries = list(step_of_function.compiled.entries.values()) if step_of_function else []
        if entries:
            # A short last batch is traced after the full ones.
            return entries[0]
    return None
