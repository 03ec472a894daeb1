"""Tracing: what NumPy is asked to do with tracers is recorded as a graph.

In come calls of NumPy's functions, operators and methods on tracers, and of
`apply`; cells that are read and assigned. Out go tracers, in a concrete trace
with their arrays, and a `Graph` (`Trace.graph`); each node is also told to the
open tapes (`observing`). It may touch `graph`, `primitives` and NumPy: no Keras,
no backend, no setting. What lasts are the cells and, for each thread, the stack
of the traces that record. Which layer a node comes from the bridge tells
(`trace.scope_provider`).

Begin with `tracer.py`, then `trace.py`. From the bottom, each file uses those before it alone:

- `source`: the user's line, for errors. `state`: cells, and who may use them when.
- `tracer`: what stands for an array. `tensor`: the array of eager mode, which keeps its value.
- `text`: a tracer of strings. `foreign`: what another framework records beside a trace. `trace`: recording; it makes
  tracers. `watching`: tensors that a tape watches. `host`: what runs before the program.
- `subgraphs`: branches, and the bodies of loops.
- `normalize`: operands, dtypes and axes in canonical form.
- `indexing`: `x[key]`. `functions`: NumPy's functions in terms of primitives, and the table of them.
- `draws`: `np.random.choice`, which NumPy does not dispatch.
- `dispatch`: from what NumPy asks of a tracer to what it means. The tracer, at the bottom, cannot know it, so it is
  given to the class here.
"""

from kerasflow.tracing import dispatch, draws
from kerasflow.tracing.host import known, on_host
from kerasflow.tracing.normalize import as_operand, cast
from kerasflow.tracing.source import at_user_line
from kerasflow.tracing.state import Cell, acquire, journal, release
from kerasflow.tracing.text import TextTracer
from kerasflow.tracing.trace import (
    Trace,
    accompanied_by,
    adopted,
    apply,
    current_trace,
    demand,
    gives_sparse,
    is_accompanied,
    observing,
    record,
    recording,
    records_beside,
    scope,
    suspended,
    watched,
)
from kerasflow.tracing.tracer import Tracer, concrete_array
from kerasflow.tracing.watching import make_watchable

Tracer.dispatcher = dispatch
draws.install()

__all__ = [
    "Cell",
    "TextTracer",
    "Trace",
    "Tracer",
    "accompanied_by",
    "acquire",
    "adopted",
    "apply",
    "as_operand",
    "at_user_line",
    "cast",
    "concrete_array",
    "current_trace",
    "demand",
    "gives_sparse",
    "is_accompanied",
    "journal",
    "known",
    "make_watchable",
    "observing",
    "on_host",
    "record",
    "recording",
    "records_beside",
    "release",
    "scope",
    "suspended",
    "watched",
]
