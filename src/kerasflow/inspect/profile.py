"""`kerasflow.profile`: what the time and the memory of a model's step go into."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any

import keras

from kerasflow.bridge.step import step_name, traced
from kerasflow.errors import ProfileError
from kerasflow.graph import HostCall, Measurement
from kerasflow.inspect.report import Profile

# Calls before the first that counts: they bind the program to its memory and start threads.
_WARM_UP = 2
# Of the runs that count, one of so many is used: the fastest, which the machine's other work disturbed least.
_USED = 4

_EAGER = (
    "The model {!r} runs operation by operation, for it is compiled with run_eagerly=True: there is no program to "
    "measure. Compile it without, or use Python's own profiler (cProfile)."
)


def profile(model: Any, x: Any, y: Any = None, of: str | None = None, repeats: int = 20) -> Profile:
    """Measure one step of a model, layer by layer and line by line.

    The step's program runs on a copy of the model's state (weights, optimizer, random streams, metrics), which stays
    as it is. What is not built yet is built.

    Args:
        model: a Keras model; compiled, but for a prediction.
        x: one batch: an array, or a nested structure of them.
        y: its labels.
        of: `"train"`, `"test"` or `"predict"`; by default the training step if `y` is given, else prediction.
        repeats: how many steps are measured; the means of the fastest quarter are reported. As many run without a
            clock, in turn with them.

    Returns:
        A report to print, and with a method `plot`.

    Raises:
        ProfileError: if the step has no program that its backend can measure.
        TypeError: if `model` is no Keras model.
        ValueError: by Keras, if the model is not compiled, or if shapes do not fit.
    """
    if not isinstance(model, keras.Model):
        raise TypeError(
            f"`kerasflow.profile` takes a Keras model; received {model!r} ({type(model).__name__}). "
            "`kerasflow.explain(function, …)` and `kerasflow.plot_graph(function, …)` show the program of a function; "
            "to measure it, make it a layer of a model."
        )
    name = step_name(of, y)
    if repeats < 1:
        raise ValueError(f"repeats is at least 1; received {repeats}")
    if model.run_eagerly:
        raise ProfileError(_EAGER.format(model.name))
    entry, given = traced(model, x, y, name, ProfileError)
    inputs = entry.takes(given)
    backend = entry.backend
    if not hasattr(entry.program, "measured"):
        raise ProfileError(
            f"The backend {backend.name!r} cannot measure its programs line by line. Use its framework's own "
            'profiler, or profile the step on NumPy: `with kerasflow.use_backend("numpy"): …`.'
        )
    state = [[backend.from_host(cell.read()) for cell in entry.cells] for _ in range(2)]
    host = [_measure_call(call, given, repeats) for call in entry.host]
    seconds, lines = _measure(entry.program, inputs, state, repeats)
    kind = {"train": "training step", "test": "test step", "predict": "prediction"}[name]
    runner = f"{backend.name}{_threads(backend, entry.program)}"
    return Profile(
        f"A {kind} of {model.name!r} on {runner}, {entry.samples or given[0].shape[0]:,} samples",
        seconds + sum(line.seconds for line in host),
        host + lines,
        getattr(getattr(model, "optimizer", None), "name", ""),
        sum(cell.aval.nbytes for cell in entry.cells),
        sum(array.nbytes for array in given[: entry.host[0].place if entry.host else None]),
        getattr(entry.program, "kept", 0),
        str(getattr(entry.program, "sharded", "")),
    )


def _measure(
    program: Any, inputs: Sequence[Any], states: list[Any], repeats: int
) -> tuple[float, list[Measurement]]:
    """The seconds of a program, and its lines with theirs.

    With and without a clock it runs in turn, so that what else the machine does hits both alike.

    Args:
        states: two copies of the state.
    """
    measured = program.measured()
    plain, runs = [], []
    for _ in range(_WARM_UP + repeats):
        start = time.perf_counter()
        _, states[0] = program(states[0], inputs)
        plain.append(time.perf_counter() - start)
        _, states[1], lines = measured(states[1], inputs)
        runs.append(lines)
    used = max(1, repeats // _USED)
    fastest = sorted(runs[_WARM_UP:], key=lambda run: sum(line.seconds for line in run))[:used]
    return fmean(sorted(plain[_WARM_UP:])[:used]), [
        replace(line[0], seconds=fmean(run.seconds for run in line)) for line in zip(*fastest, strict=True)
    ]


def _measure_call(call: HostCall, given: Sequence[Any], repeats: int) -> Measurement:
    """What is done on the host before the program, as a line of its own."""
    seconds = []
    for _ in range(_WARM_UP + repeats):
        start = time.perf_counter()
        results, _ = call(given[: call.place])
        seconds.append(time.perf_counter() - start)
    used = sorted(seconds[_WARM_UP:])[: max(1, repeats // _USED)]
    made = sum(array.nbytes for array in results)
    return Measurement(f"on the host: {call}", call.scope, fmean(used), 1, made, made)


def _threads(backend: Any, program: Any) -> str:
    if sharded := getattr(program, "sharded", None):
        return f" ({len(sharded.rows)} processes)"
    threads = getattr(backend, "threads", None)
    return f" ({threads} thread{'s' if threads > 1 else ''})" if threads else ""
