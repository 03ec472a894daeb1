"""`kerasflow.explain`: what a model or a function runs, as NumPy source that can be read."""

from __future__ import annotations

import inspect
import textwrap
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import keras

from kerasflow.bridge.export_numpy import BATCH, Text, constant_text, structure_text
from kerasflow.compiler import Entry, current_backend
from kerasflow.compiler.compile import check_supported, program_of
from kerasflow.compiler.ranks import sharing
from kerasflow.errors import ExportError
from kerasflow.graph import identifier, printable
from kerasflow.inspect.reading.explanation import Explanation
from kerasflow.inspect.reading.naming import input_names
from kerasflow.inspect.reading.writing import Listing, shown, written
from kerasflow.inspect.traceable import entry_of
from kerasflow.tracing import nesting

_TITLES = {
    "train": "One training step of {} for {}",
    "test": "One test step of {} for {}",
    "predict": "What {} predicts for {}",
}


def explain(
    what: Any, *arrays: Any, of: str | None = None, as_run: bool = False, **named: Any
) -> Explanation:
    """The program that one step of a model, or a function, runs, as a NumPy function.

    By default as one would write it: its arrays are named after layers and variables, a step has its sections
    (forward, loss, gradients, update, metrics), each line has the shape and dtype of its result, and a comment names
    the Keras layer that the lines below come from (`grad …` for its derivative).

    Args:
        what: a Keras model, a layer, or a function in plain NumPy or `keras.ops` (also `kerasflow.jit`'s and
            `kerasflow.grad`'s).
        arrays: for a model a batch (an array, or a nested structure of them) and its labels, for which the step is
            traced. Without them, the step that the model ran last is shown, and a model that never ran shows its
            prediction for one sample. For a layer or a function its arguments.
        of: of a model, which step: `"train"`, `"test"` or `"predict"`; by default the training step if
            there are labels or the model was trained, else prediction.
        as_run: show the text that the NumPy backend runs instead, with its buffers and views: below each line of the
            other form what is done for it.
        named: the same by name: `x` and `y` of a model, a function's keyword arguments.

    Returns:
        Python source, a string: print it. A notebook shows it coloured, folded by layer; `save(path)` writes it.

    Raises:
        KerasflowError: if there is no batch to trace the step for.
        TracingError: if the function needs a value while it is traced.
        UnsupportedPrimitiveError: with `as_run`, if the NumPy backend cannot run it.
        TypeError: if `what` is something else.
    """
    if "step" in named and isinstance(what, keras.Model):
        warnings.warn(
            "`explain(..., step=...)` is `explain(..., of=...)` since kerasflow 0.2; `step=` will be gone in 0.3.",
            DeprecationWarning,
            stacklevel=2,
        )
        of = named.pop("step")
    shown_entry = None if arrays or named else _last_entry(what, of)
    entry = shown_entry or entry_of(what, arrays, named, of)
    listing = _listing(what, entry, of)
    on_host = _on_host(entry, listing.inputs)
    if as_run:
        numpy = current_backend("numpy")
        check_supported(entry.graph, numpy)
        program: Any = program_of(listing.tagged, numpy, sharing(), samples=entry.samples)
        return Explanation(on_host + _shared_out(program) + program.source)
    return Explanation(on_host + shown(listing), on_host + "\n".join(listing.head), listing.body)


def _listing(what: Any, entry: Entry, of: str | None) -> Listing:
    """The program as one would write it."""
    made, given = entry.made_on_host, range(len(entry.graph.inputs)) if entry.taken is None else entry.taken
    places = [(1, made[i].name.split("/")[-1]) if i in made else entry.places[k] for i, k in enumerate(given)]
    optimizer = ""
    if isinstance(what, keras.Model):
        step = of or _step_of(what, entry)
        name, title = f"{step}_step", _TITLES[step].format(what.name, _samples(entry))
        parameters: Sequence[str] = BATCH
        # A step has one argument, the batch.
        places = [(kind, *rest) if kind == 0 else (kind, first, *rest) for kind, first, *rest in places]
        optimizer = getattr(getattr(what, "optimizer", None), "name", "")
    else:
        name, parameters = _called(what), _parameters(what)
        title = ""
    results = _results(entry)
    return written(
        entry.graph, name, input_names(places, parameters), title, optimizer, results, _returned(entry)
    )


def _samples(entry: Entry) -> str:
    shape = entry.graph.inputs[0].aval.shape if entry.graph.inputs else ()
    count = entry.samples or (shape[0] if shape else None)
    return "a batch" if count is None else f"{count} sample{'s' if count != 1 else ''}"


def _called(what: Any) -> str:
    """A function's name; what is called without one, and a layer, is known by what is done."""
    name = "call" if isinstance(what, keras.Layer) else getattr(what, "__name__", "")
    return identifier(name if name != "<lambda>" else "", "function")


def _parameters(what: Any) -> list[str]:
    function = what.call if isinstance(what, keras.Layer) else what
    try:
        return list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return []


def _results(entry: Entry) -> list[str]:
    """A wish for a name for each output of the graph."""
    names = ["result"] * len(entry.graph.outputs)
    for place, (i, _) in zip(entry.structure.paths(), entry.outputs, strict=True):
        if i >= 0:
            names[i] = identifier("_".join(map(str, place)), "result")
    return names


def _returned(entry: Entry) -> Callable[[Sequence[str]], str]:
    """What a function returns, of an expression for each output of the graph."""

    def returned(texts: Sequence[str]) -> str:
        leaves = [_constant(constant) if i < 0 else Text(texts[i]) for i, constant in entry.outputs]
        try:
            return structure_text(
                nesting.unflatten(entry.structure, leaves), lambda name, text, imports: text
            )
        except ExportError:  # It is nested in a way that has no literal.
            return f"[{', '.join(leaf.text for leaf in leaves)}]"

    return returned


def _constant(value: Any) -> Text:
    try:
        return constant_text(value)
    except ExportError:
        return Text(f"...  # {printable(repr(value))}")


def _shared_out(program: Any) -> str:
    """How the program is shared out among processes, as comments."""
    sharded = getattr(program, "sharded", None)
    return (
        "" if sharded is None else "".join(f"# {line}\n" for line in textwrap.wrap(str(sharded), 110)) + "\n"
    )


def _on_host(entry: Entry, inputs: Sequence[str]) -> str:
    """What is done before the program, as comments; `inputs` are the function's arguments."""
    names: dict[int, list[str]] = {}
    for i, call in entry.made_on_host.items():
        names.setdefault(id(call), []).append(inputs[i])
    lines = []
    for call in entry.host:
        made = ", ".join(names.get(id(call), ["text"]))
        types = ", ".join(map(str, call.results))
        lines.append(f"#   {made} = {call}  # {types}\n")
    return "".join(["# On the host, before each call:\n", *lines, "\n"]) if lines else ""


def _steps(model: Any) -> dict[str, list[Entry]]:
    """The programs that a model has for each of its steps."""
    found = {}
    for name in _TITLES:
        step = getattr(getattr(model, f"{name}_function", None), "step", None)
        found[name] = list(step.compiled.entries.values()) if step else []
    return found


def _step_of(model: Any, entry: Entry) -> str:
    """Which step a program is."""
    for name, entries in _steps(model).items():
        if entry in entries:
            return name
    # The batch is the only argument: what is trained on has more than inputs.
    return "train" if len({place[:3] for place in entry.places}) > 1 else "predict"


def _last_entry(model: Any, of: str | None) -> Entry | None:
    """The program that a model ran last."""
    steps = _steps(model)
    for name in [of] if of else ["train", "predict"]:
        # A short last batch is traced after the full ones.
        if entries := steps.get(name, []):
            return entries[0]
    return None
