"""Tracing: tracers that speak NumPy's protocols, the traces that record them, and the state they read and assign."""

from kerasflow.tracing.normalize import as_operand, cast
from kerasflow.tracing.source import at_user_line
from kerasflow.tracing.state import Cell, acquire, journal, release
from kerasflow.tracing.trace import (
    Trace,
    apply,
    concrete_array,
    current_trace,
    observing,
    record,
    recording,
    scope,
    suspended,
    watched,
)
from kerasflow.tracing.tracer import Tracer

__all__ = [
    "Cell",
    "Trace",
    "Tracer",
    "acquire",
    "apply",
    "as_operand",
    "at_user_line",
    "cast",
    "concrete_array",
    "current_trace",
    "journal",
    "observing",
    "record",
    "recording",
    "release",
    "scope",
    "suspended",
    "watched",
]
