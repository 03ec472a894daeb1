"""What a program that is being recorded has done on the host, before each of its calls.

A program holds no strings, and some layers cannot be compiled. A function of
what is given, and of what can be computed of that alone, need not be a part of
the program: it is called before, on arrays, and its results are inputs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kerasflow.errors import TracingError
from kerasflow.graph import Constant, Graph, HostCall, needed, shaped
from kerasflow.tracing import nesting
from kerasflow.tracing import trace as traces
from kerasflow.tracing.source import at_user_line
from kerasflow.tracing.state import journal
from kerasflow.tracing.trace import Trace, current_trace, observing, recording, suspended
from kerasflow.tracing.tracer import Tracer, concrete_array


def on_host(function: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any], name: str = "") -> Any:
    """What the function gives, as inputs of the program that is being recorded.

    It is called now, on the arrays that the program is recorded for, and before each call of the program, on those
    that are given then.

    Args:
        args, kwargs: nested structures, with traced arrays among their leaves.
        name: what users know the function by.

    Returns:
        Traced arrays, nested as the function's result is.

    Raises:
        TracingError: that cannot be: an operand depends on state, the function reads variables, a derivative would be
            lost, or it is asked for in a branch or a loop.
    """
    trace = current_trace()
    name = name or getattr(function, "__name__", type(function).__name__)
    if trace is None or trace.given is None:
        raise _refused(name, "there are no values where shapes are inferred, in a branch or in a loop")
    leaves, structure = nesting.flatten((tuple(args), dict(kwargs)))
    places = [i for i, leaf in enumerate(leaves) if isinstance(leaf, Tracer)]
    operands = [leaves[i] for i in places]
    constants = [None if isinstance(leaf, Tracer) else leaf for leaf in leaves]

    def call(*arrays: Any) -> tuple[list[Any], Any]:
        full = list(constants)
        for i, array in zip(places, arrays, strict=True):
            full[i] = array
        positional, named = nesting.unflatten(structure, full)
        found, nested = nesting.flatten(function(*positional, **named))
        return [concrete_array(x) for x in found], nested

    host_call = HostCall(_known(trace, operands, name), call, name, traces.current_scope())
    results, kinds = _first(host_call, trace.given)
    if trace.is_observed and _inexact(operands) and _inexact(results):
        raise _refused(name, "its derivative may be asked for")
    host_call.results = [shaped(array) for array in results]
    trace.host_calls.append((host_call, kinds))
    return nesting.unflatten(kinds[0], list(map(trace.add_input, host_call.results, results)))


def _known(trace: Trace, operands: Sequence[Tracer], name: str) -> Graph:
    """What the operands are, computed of what is given."""
    values = [trace.value_of(x) for x in operands]
    keep = needed(trace.nodes, values)
    nodes = [node for node in trace.nodes if node in keep]
    inputs = {v for v, array in zip(trace.inputs, trace.given or (), strict=True) if array is not None}
    for value in (*values, *(v for node in nodes for v in node.inputs)):
        if value.node is None and value not in inputs and not isinstance(value, Constant):
            raise _refused(
                name, "what it is given depends on weights or other state, or is a branch's or a loop's"
            )
    return Graph(list(trace.inputs), nodes, values)


def known(x: Tracer) -> np.ndarray[Any, Any] | None:
    """The array that a traced array stands for this time, if it is what is given, or made of that on the host."""
    trace: Any = x.owner
    given: dict[Any, Any] = dict(zip(trace.inputs, trace.given or (), strict=False))
    return given.get(x.value)


class _Reads:
    """Notices that a variable is read."""

    def __init__(self) -> None:
        self.any = False

    def recorded(self, *_: Any) -> None:
        pass

    def accessed(self, *_: Any) -> None:
        self.any = True

    def find(self, x: Any) -> None:
        return None


def _first(call: HostCall, given: Sequence[Any]) -> Any:
    """The call on the arrays that the program is recorded for; without a trace if it turns out to use variables."""
    reads = _Reads()
    with suspended(), journal() as before:
        try:
            with recording(Trace(concrete=True)), observing(reads):
                results = call(given)
            if reads.any or before:
                raise _refused(call.name, "it reads or assigns variables")
        except BaseException:
            for cell, array in before.items():
                cell.write(np.array(array))
            raise
    return results


def _inexact(arrays: Sequence[Any]) -> bool:
    return any(x.dtype.kind in "fcV" for x in arrays)


def _refused(name: str, why: str) -> TracingError:
    return TracingError(at_user_line(f"{name} cannot run on the host before the program: {why}."))
