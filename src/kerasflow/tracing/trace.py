"""Recording: a trace collects the nodes that operations on its tracers make.

Traces form a stack, one stack a thread. The top one records. A *program* trace
is abstract: its tracers have a shape and a dtype. A *concrete* trace
(`run_eagerly=True`, `GradientTape` outside a program) computes each operation
at once, so that its tracers have arrays; what was computed is kept only as long
as a tracer or a tape needs it. A sub-graph (a branch of a
conditional) has a trace of its own, which captures what it uses of the outer ones.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, Protocol
from weakref import WeakKeyDictionary

import numpy as np

from kerasflow.errors import TracingError
from kerasflow.graph import (
    Constant,
    Graph,
    HostCall,
    Node,
    Primitive,
    ShapedArray,
    Value,
    evaluate_node,
    infer,
    shaped,
)
from kerasflow.primitives import PRIMITIVES
from kerasflow.tracing.foreign import Foreign, Recording
from kerasflow.tracing.frameworks import place, translated
from kerasflow.tracing.source import at_user_line
from kerasflow.tracing.state import Cell
from kerasflow.tracing.tensor import as_array, tensors
from kerasflow.tracing.text import TextTracer, make_tracer
from kerasflow.tracing.tracer import Tracer, concrete_array, leaked


class Observer(Protocol):
    """What a gradient tape is to a trace: it is told what is recorded while it is open."""

    def recorded(self, trace: Trace, node: Node) -> None:
        """An operation was recorded."""

    def accessed(self, trace: Trace, cell: Cell, value: Value, variable: Any) -> None:
        """A cell was read, through the given variable."""

    def find(self, x: Any) -> Tracer | None:
        """The traced counterpart of an array that the observer watches."""


def _no_recording() -> None:
    return None


class _Stack(threading.local):
    def __init__(self) -> None:
        self.traces: list[Trace] = []
        self.scope: str | None = None
        self.observers: list[Observer] = []


_stack = _Stack()

# Tells where a node comes from; the bridge sets it to the path of the running Keras layer.
scope_provider: Callable[[], str] = str

# Makes more of a node's scope; the compiler sets it when somebody wants to know of each node where it comes from.
note: Callable[[str], str] | None = None

# Computes a node at once; the compiler sets it to what knows better ways than the nodes' reference meaning.
evaluator: Callable[[Node, Sequence[Any]], tuple[Any, ...]] = evaluate_node

# Begins a recording of another framework's functions; the compiler sets it to what the backend has for it.
foreign_recording: Callable[[], Recording | None] = _no_recording


def current_trace() -> Trace | None:
    """The trace that records on this thread, or None."""
    return _stack.traces[-1] if _stack.traces else None


def sizes_are_real() -> bool:
    """Whether the sizes of arrays are those of data; while shapes are inferred, unknown ones are made up."""
    return all(trace.sizes_are_real for trace in _stack.traces)


def gives_sparse() -> bool:
    """Whether an operation that is asked for a sparse tensor gives one; what is written to a file has none."""
    return all(trace.gives_sparse for trace in _stack.traces)


@contextmanager
def recording(trace: Trace) -> Iterator[Trace]:
    """Let `trace` record in the block."""
    _stack.traces.append(trace)
    try:
        with nullcontext() if trace.concrete else trace.accompanied():
            yield trace
    except (NotImplementedError, TypeError, ValueError) as error:
        if (ours := translated(error)) is error:
            raise
        raise ours from error
    finally:
        _stack.traces.remove(trace)


@contextmanager
def observing(observer: Observer) -> Iterator[None]:
    """Tell `observer` what is recorded in the block."""
    _stack.observers.append(observer)
    try:
        yield
    finally:
        _stack.observers.remove(observer)


def watched(x: Any) -> Any:
    """The traced counterpart of an array that the innermost tape, or one around it, watches; else the array itself."""
    for observer in reversed(_stack.observers):
        tracer = observer.find(x)
        if tracer is not None:
            return tracer
    return adopted(x)


def adopted(x: Any) -> Any:
    """The traced array for what another framework has recorded beside a trace; anything else as it is."""
    for trace in reversed(_stack.traces):
        if (found := trace.adopt(x)) is not x:
            return found
    return x


def is_accompanied() -> bool:
    """Whether another framework records beside the running trace."""
    return bool(_stack.traces) and _stack.traces[-1].foreign is not None


def accompanied_by(framework: str) -> Foreign | None:
    """What the framework records beside the running trace, if it does."""
    foreign = _stack.traces[-1].foreign if _stack.traces else None
    return foreign if foreign is not None and foreign.recording.framework == framework else None


def records_beside(framework: str) -> bool:
    """Whether what the framework records now is what goes along with the running trace, and no graph of its own."""
    foreign = accompanied_by(framework)
    return foreign is not None and foreign.recording.is_current


@contextmanager
def suspended() -> Iterator[None]:
    """Let nothing record in the block (initializers, callbacks into host code)."""
    saved = _stack.traces, _stack.observers
    foreign = next((trace.foreign for trace in reversed(saved[0]) if trace.foreign is not None), None)
    _stack.traces, _stack.observers = [], []
    try:
        with nullcontext() if foreign is None else foreign.recording.inactive():
            yield
    finally:
        _stack.traces, _stack.observers = saved


@contextmanager
def scope(name: str) -> Iterator[None]:
    """Give `name` as the origin of the nodes recorded in the block."""
    saved, _stack.scope = _stack.scope, name
    try:
        yield
    finally:
        _stack.scope = saved


def current_scope() -> str:
    """Where what is recorded now comes from."""
    scope = _stack.scope if _stack.scope is not None else scope_provider()
    return scope if note is None else note(scope)


class Assignable(Protocol):
    """What a trace reads and assigns: a `Cell`; what the bridge puts in its place inside `keras.StatelessScope`."""

    aval: ShapedArray
    name: str


# Raises if the values of an array are not what they have to be; equal to another one that asks the same.
Demand = Callable[[np.ndarray[Any, Any]], None]

# An array has the same values before and behind these.
_KEEPING_VALUES = frozenset({"astype", "identity", "reshape", "stop_gradient"})


class CellUse:
    """How an abstract trace uses a cell.

    Attributes:
        argument: what the cell held when the trace began.
        current: what the cell holds now.
        written: whether the trace assigned it.
        fresh: whether it was assigned and not read since.
    """

    __slots__ = ("argument", "current", "written", "fresh")

    def __init__(self, argument: Tracer) -> None:
        self.argument = argument
        self.current: Any = argument
        self.written = False
        self.fresh = False


class Trace:
    """A recording in progress.

    Args:
        concrete: compute every operation at once, and keep no nodes.
        parent: the enclosing trace, for a sub-graph.
        sizes_are_real: whether sizes are those of data.
        gives_sparse: whether operations give the sparse tensors that they are asked for, or dense ones.
    """

    def __init__(
        self,
        concrete: bool = False,
        parent: Trace | None = None,
        sizes_are_real: bool = True,
        gives_sparse: bool = True,
    ) -> None:
        self.concrete = concrete
        self.parent = parent
        self.sizes_are_real = sizes_are_real
        self.gives_sparse = gives_sparse
        self.nodes: list[Node] = []
        self.inputs: list[Value] = []
        self.cells: dict[Any, CellUse] = {}  # by `Assignable`
        self.arrays: MutableMapping[Value, np.ndarray[Any, Any]] = WeakKeyDictionary()
        # What a sub-graph uses of the enclosing traces: pairs of the tracer there and the one here.
        self.captures: dict[Value, tuple[Tracer, Tracer]] = {}
        # The arrays that the inputs stand for this time (None for one that is not known), for what runs on the host
        # before the program; None where nothing can. And what that is: a call with what its results are like.
        self.given: list[np.ndarray[Any, Any] | None] | None = None
        self.host_calls: list[tuple[HostCall, Any]] = []
        # What another framework records beside it.
        self.foreign: Foreign | None = None
        # What is asked of the arrays that inputs stand for, each time before the program runs.
        self.demands: dict[tuple[Value, Demand], None] = {}

    @property
    def is_recording(self) -> bool:
        """Whether it records on this thread, also where another trace records inside it."""
        return self in _stack.traces

    @property
    def is_observed(self) -> bool:
        """Whether a tape is told on this thread what is recorded."""
        return bool(_stack.observers)

    # -- values ---------------------------------------------------------------------------------------------

    def add_input(self, aval: ShapedArray, array: np.ndarray[Any, Any] | None = None) -> Tracer:
        """A new abstract input, and the array that it stands for this time."""
        value = Value(aval)
        self.inputs.append(value)
        if self.given is not None:
            self.given.append(array)
        return make_tracer(self, value)

    def lift(self, array: np.ndarray[Any, Any]) -> Tracer:
        """An array as a tracer of this concrete trace."""
        value = Value(shaped(array))
        self.arrays[value] = array
        return Tracer(self, value)

    def wrap(self, value: Value) -> Any:
        """A value of this trace as operations take it: a tracer, or the array of a constant."""
        return value.array if isinstance(value, Constant) else Tracer(self, value)

    def value_of(self, x: Any) -> Value:
        """The value that stands for an operand in this trace."""
        x = x if isinstance(x, (Tracer, np.ndarray)) else adopted(x)
        if not isinstance(x, Tracer):
            return Constant(np.asarray(x))
        if x.owner is self:
            return x.value
        if x.owner.concrete:
            return Constant(x.owner.arrays[x.value])
        if x.owner in self.ancestors():
            return self.capture(x).value
        raise leaked(x)

    def ancestors(self) -> list[Trace]:
        chain = []
        trace = self.parent
        while trace is not None:
            chain.append(trace)
            trace = trace.parent
        return chain

    def capture(self, x: Tracer) -> Tracer:
        """A tracer of an enclosing trace, as an input of this one."""
        if x.value not in self.captures:
            self.captures[x.value] = (x, make_tracer(self, Value(x.aval)))
        return self.captures[x.value][1]

    def bind(self, primitive: Primitive, operands: tuple[Any, ...], params: dict[str, Any]) -> Any:
        """Record one operation; a tracer, or a tuple of tracers if it has several results."""
        values = [self.value_of(x) for x in operands]
        if not primitive.takes_text and any(isinstance(x, TextTracer) for x in operands):
            raise TracingError(at_user_line(f"A program has no `{primitive.name}` of strings."))
        try:
            avals = infer(primitive, [v.aval for v in values], params)
        except ValueError as error:
            raise type(error)(at_user_line(str(error))) from None
        node = Node(primitive, values, params, avals, current_scope())
        if self.concrete:
            operands = tuple(v.array if isinstance(v, Constant) else self.arrays[v] for v in values)
            for value, array in zip(node.outputs, evaluator(node, operands), strict=True):
                self.arrays[value] = np.asarray(array)
                value.node = None  # A result does not keep alive what it was computed from.
        else:
            self.nodes.append(node)
        for observer in _stack.observers:
            observer.recorded(self, node)
        results = tuple(Tracer(self, v) for v in node.outputs)
        return results if primitive.multiple_results else results[0]

    # -- another framework's functions ----------------------------------------------------------------------

    @contextmanager
    def accompanied(self) -> Iterator[None]:
        """Have another framework record what it is asked in the block, where the backend can run that."""
        if self.foreign is None and (begun := foreign_recording()) is not None:
            self.foreign = Foreign(begun, self.bind, self.value_of, adopted, may_draw=self.parent is None)
        if self.foreign is None:
            yield
            return
        with self.foreign.recording.active():
            try:
                yield
            except (TypeError, ValueError) as error:
                place(error, self.foreign.recording.framework)
                raise
            self.settle()

    def adopt(self, x: Any) -> Any:
        """The traced array for what was recorded beside this trace; anything else as it is."""
        return self.foreign.take(x) if self.foreign is not None and self.foreign.owns(x) else x

    def settle(self) -> None:
        """Make nodes of all that another framework has recorded so far."""
        if self.foreign is not None:
            self.foreign.flush()

    # -- state ----------------------------------------------------------------------------------------------

    def use(self, cell: Assignable) -> CellUse:
        """How this abstract trace uses the cell; begins the use if it is the first.

        A sub-graph's trace has an argument of its own for it, to which whoever makes the sub-graph gives a value.
        """
        if cell not in self.cells:
            self.cells[cell] = CellUse(Tracer(self, Value(cell.aval)))
        return self.cells[cell]

    def read(self, cell: Cell, variable: Any = None) -> Tracer:
        """The cell's contents at this point of the program.

        Args:
            variable: what users know the cell by.
        """
        current = self.lift(cell.read()) if self.concrete else self._read(self.use(cell))
        for observer in _stack.observers:
            observer.accessed(self, cell, current.value, variable)
        return current

    def _read(self, use: CellUse) -> Tracer:
        if use.fresh:
            # An assignment is not differentiable: what is read afterwards is a new value.
            use.current = self.bind(PRIMITIVES["stop_gradient"], (use.current,), {})
            use.fresh = False
        return use.current

    def write(self, cell: Cell, x: Any) -> None:
        """Assign the cell from this point of the program on."""
        if self.concrete:
            cell.write(np.array(concrete_array(x)))
        else:
            use = self.use(cell)
            use.current, use.written, use.fresh = x, True, True

    # -- the result -----------------------------------------------------------------------------------------

    def graph(self, outputs: list[Any]) -> Graph:
        """The recorded program with the given outputs (tracers or arrays); state in the order of first use."""
        uses = self.cells.values()
        return Graph(
            inputs=list(self.inputs),
            nodes=list(self.nodes),
            outputs=[self.value_of(x) for x in outputs],
            state_inputs=[use.argument.value for use in uses],
            state_outputs=[self.value_of(use.current) for use in uses],
            state_names=[cell.name for cell in self.cells],
        )


def apply(primitive: str | Primitive, *operands: Any, **params: Any) -> Any:
    """Apply a primitive: recorded if an operand is traced, else computed at once on NumPy arrays.

    What is computed of traced arrays that a tape has left behind are tensors: they come from Keras as those do.

    Args:
        operands: tracers, arrays and NumPy scalars, of the dtypes that the primitive wants.
    """
    if isinstance(primitive, str):
        primitive = PRIMITIVES[primitive]
    trace = current_trace()
    if trace is not None and any(isinstance(x, Tracer) for x in operands):
        return trace.bind(primitive, operands, params)
    values = [Constant(np.asarray(concrete_array(x))) for x in operands]
    avals = infer(primitive, [v.aval for v in values], params)
    node = Node(primitive, values, params, avals)
    for value in node.outputs:
        value.node = None  # Else a cycle keeps the operands until cycles are looked for.
    results = evaluator(node, [v.array for v in values])
    if any(isinstance(x, Tracer) for x in operands):
        results = tensors([as_array(x) for x in results])
    return results if primitive.multiple_results else results[0]


def demand(x: Any, test: Demand) -> None:
    """Have the values of a traced array tested: now if it has some, else whenever the program is about to run.

    That can be where it is an input, perhaps in another shape or dtype; what the program computes is not tested.
    """
    trace = current_trace()
    if trace is None or not isinstance(x, Tracer) or x.owner is not trace:
        return
    if trace.concrete:
        return test(trace.arrays[x.value])
    value = x.value
    while value.node is not None and value.node.primitive.name in _KEEPING_VALUES:
        value = value.node.inputs[0]
    if value in trace.inputs:
        trace.demands[value, test] = None


def record(primitive: str, *operands: Any, **params: Any) -> Any:
    """Apply a primitive: recorded if anything records, even where no operand is traced."""
    trace = current_trace()
    if trace is None:
        return apply(primitive, *operands, **params)
    return trace.bind(PRIMITIVES[primitive], operands, params)


__all__ = [
    "CellUse",
    "Trace",
    "accompanied_by",
    "adopted",
    "apply",
    "current_trace",
    "demand",
    "gives_sparse",
    "is_accompanied",
    "observing",
    "record",
    "recording",
    "records_beside",
    "scope",
    "sizes_are_real",
    "suspended",
    "watched",
]
