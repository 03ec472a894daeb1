"""Recording functions of a Keras program as sub-graphs: what they capture, and the state that they read and assign."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np
from keras.src.backend.common.stateless_scope import StatelessScope, get_stateless_scope

from kerasflow.bridge.ops.tensors import convert_to_tensor
from kerasflow.graph import Graph, ShapedArray, Value
from kerasflow.tracing import Cell, Trace, Tracer, apply, cast, recording


class ScopedVariable:
    """The value that a `keras.StatelessScope` holds for a variable: the state of a program without state.

    Equal for the same variable and scope, so that all sub-graphs mean the same by it.
    """

    def __init__(self, variable: Any, scope: StatelessScope) -> None:
        self.variable = variable
        self.scope = scope
        self.aval = ShapedArray(tuple(variable.shape), np.dtype(variable.dtype))
        self.name = variable.path

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ScopedVariable) and (
            self.variable is other.variable and self.scope is other.scope
        )

    def __hash__(self) -> int:
        return hash((id(self.variable), id(self.scope)))

    def read(self) -> Any:
        value = self.scope.get_current_value(self.variable)
        return self.variable._value if value is None else value

    def write(self, value: Any) -> None:
        self.scope.add_update((self.variable, value))


State = Cell | ScopedVariable


class _Scope(StatelessScope):
    """A sub-graph's own scope inside a `keras.StatelessScope`."""

    def __init__(self, outer: StatelessScope, trace: Trace) -> None:
        super().__init__(collect_losses=outer.collect_losses, initialize_variables=False)
        self.outer = outer
        self.trace = trace
        self.losses = outer.losses

    def _use(self, variable: Any) -> Any:
        return self.trace.use(ScopedVariable(variable, self.outer))

    def add_update(self, update: tuple[Any, Any]) -> None:
        variable, value = update
        use = self._use(variable)
        use.current, use.written = convert_to_tensor(value, variable.dtype), True

    def get_current_value(self, variable: Any) -> Any:
        return self._use(variable).current


class Subgraph:
    """A function that is recorded on its own: a branch, a loop's condition or its body.

    Attributes:
        arguments: tracers of what it is called with, in the order of `argument`'s calls.
        outputs: arrays and tracers, set by who records it.
    """

    def __init__(self, parent: Trace) -> None:
        self.trace = Trace(parent=parent)
        outer = get_stateless_scope()
        self.scope = None if outer is None else _Scope(outer, self.trace)
        self.arguments: list[Tracer] = []
        self.outputs: list[Any] = []

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Record what is called in the block; all that it uses of the enclosing traces is captured then."""
        with recording(self.trace), self.scope or nullcontext():
            yield
            self.outputs = list(map(self._own, self.outputs))
            for use in self.trace.cells.values():
                use.current = self._own(use.current)

    def _own(self, x: Any) -> Any:
        return None if x is None else self.trace.wrap(self.trace.value_of(x))

    def argument(self, shape: Sequence[int], dtype: Any) -> Tracer:
        """A new argument."""
        self.arguments.append(Tracer(self.trace, Value(ShapedArray(tuple(shape), np.dtype(dtype)))))
        return self.arguments[-1]

    def cast(self, x: Any, dtype: Any) -> Any:
        """One of the outputs in another dtype."""
        with recording(self.trace):
            return cast(x, dtype)

    def written(self) -> list[State]:
        """The state that it assigns."""
        return [state for state, use in self.trace.cells.items() if use.written]

    def graph(self, inputs: Sequence[Tracer], outputs: Sequence[Any]) -> Graph:
        """The graph with these arguments and results."""
        with recording(self.trace):
            results = [self.trace.value_of(x) for x in outputs]
        return Graph([x.value for x in inputs], self.trace.nodes, results)


class Shared:
    """What several sub-graphs need of the program around them, each by an argument of its own.

    Attributes:
        captured: tracers of the enclosing traces. states: what is read or assigned; written: what is assigned.
    """

    def __init__(self, parent: Trace, *subgraphs: Subgraph) -> None:
        self.parent = parent
        self.captured = list(
            {v: outer for s in subgraphs for v, (outer, _) in s.trace.captures.items()}.values()
        )
        self.states = list(dict.fromkeys(state for s in subgraphs for state in s.trace.cells))
        written = {state for s in subgraphs for state in s.written()}
        self.written = [state for state in self.states if state in written]
        self.read = [state for state in self.states if state not in written]

    def constants(self) -> list[Any]:
        """What does not change."""
        return [*self.captured, *map(self._outer, self.read)]

    def changing(self) -> list[Any]:
        """The state that is assigned, as it is before."""
        return list(map(self._outer, self.written))

    def constants_of(self, subgraph: Subgraph) -> list[Tracer]:
        """A sub-graph's arguments for `constants()`."""
        captured = [subgraph.trace.capture(x) for x in self.captured]
        return [*captured, *(subgraph.trace.use(state).argument for state in self.read)]

    def changing_of(self, subgraph: Subgraph) -> list[Tracer]:
        """A sub-graph's arguments for `changing()`."""
        return [subgraph.trace.use(state).argument for state in self.written]

    def changed(self, subgraph: Subgraph) -> list[Any]:
        """What a sub-graph has made of `changing()`. No gradient flows through an assignment of a variable."""
        found = []
        with recording(subgraph.trace):
            for state in self.written:
                x = subgraph.trace.use(state).current
                fixed = isinstance(state, Cell) and isinstance(x, Tracer)
                found.append(apply("stop_gradient", x) if fixed else x)
        return found

    def assign(self, values: Sequence[Any]) -> None:
        """Assign the state the results for `changed`."""
        for state, value in zip(self.written, values, strict=True):
            if isinstance(state, Cell):
                self.parent.write(state, value)
            else:
                state.write(value)

    def _outer(self, state: State) -> Any:
        if isinstance(state, Cell):
            return self.parent.read(state)
        return convert_to_tensor(state.read(), state.aval.dtype)
