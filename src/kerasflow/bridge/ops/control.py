"""Control flow: `cond` as a sub-graph with its state; loops over known counts are unrolled."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np
from keras.src import tree
from keras.src.backend.common.stateless_scope import StatelessScope, get_stateless_scope

from kerasflow.errors import TracingError
from kerasflow.graph import Graph, Value
from kerasflow.primitives import PRIMITIVES
from kerasflow.tracing import Cell, Trace, Tracer, at_user_line, cast, current_trace, recording


def _tensor(x: Any) -> Any:
    from kerasflow.bridge.ops.core import convert_to_tensor

    return convert_to_tensor(x)


def is_abstract(x: Any) -> bool:
    """Whether x is traced and has no value."""
    return isinstance(x, Tracer) and not x.owner.concrete


class _BranchScope(StatelessScope):
    """Inside a `keras.StatelessScope`, a branch's own: its updates, on top of what the scope around it holds."""

    def __init__(self, outer: StatelessScope) -> None:
        super().__init__(collect_losses=outer.collect_losses, initialize_variables=False)
        self.outer = outer
        self.losses = outer.losses
        self.updates: dict[int, Any] = {}

    def add_update(self, update: tuple[Any, Any]) -> None:
        self.updates[id(update[0])] = update[0]
        super().add_update(update)

    def get_current_value(self, variable: Any) -> Any:
        value = super().get_current_value(variable)
        return self.outer.get_current_value(variable) if value is None else value


class Branch:
    """One traced branch: what it returns, captures and assigns."""

    def __init__(self, function: Callable[[], Any], parent: Trace) -> None:
        self.trace = Trace(parent=parent)
        outer = get_stateless_scope()
        self.scope = None if outer is None else _BranchScope(outer)
        with recording(self.trace), self.scope or nullcontext():
            result = function()
            self.structure = result
            self.outputs: list[Any] = [None if x is None else _tensor(x) for x in tree.flatten(result)]

    def updates(self) -> dict[int, Any]:
        """The variables that the branch updated in a stateless scope, by their identity."""
        return self.scope.updates if self.scope else {}

    def pass_through(self, cells: Sequence[Cell], variables: Sequence[Any]) -> None:
        """Make cells and variables that only the other branch changes known to this one; variables are outputs."""
        with recording(self.trace):
            for cell in cells:
                self.trace.use(cell)
            for variable in variables:
                assert self.scope is not None
                value = self.scope.get_current_value(variable)
                self.outputs.append(_tensor(variable) if value is None else value)

    def written(self) -> list[Cell]:
        return [cell for cell, use in self.trace.cells.items() if use.written]

    def finish(self, cells: Sequence[Cell], captured: Sequence[Value], dtypes: Sequence[Any]) -> Graph:
        """The branch as a graph of all captured values that returns its outputs and the cells' contents."""
        trace = self.trace
        with recording(trace):
            outputs = [cast(x, dtype) for x, dtype in zip(self.outputs, dtypes, strict=True) if x is not None]
            state = [trace.use(cell).current for cell in cells]
            results = [trace.value_of(x) for x in outputs + state]
        parent = trace.parent
        assert parent is not None
        inputs = [trace.capture(Tracer(parent, v)).value for v in captured]
        return Graph(inputs=inputs, nodes=trace.nodes, outputs=results)


def cond(pred: Any, true_fn: Callable[[], Any], false_fn: Callable[[], Any]) -> Any:
    """`true_fn()` if `pred`, else `false_fn()`; only one of them runs.

    Variables that a branch assigns change only where that branch runs.

    Args:
        pred: a boolean scalar, traced or not.
        true_fn, false_fn: functions without arguments, returning the same
            structure of arrays of the same shapes.
    """
    pred = _tensor(pred)
    trace = current_trace()
    if trace is None or not is_abstract(pred):
        return true_fn() if pred else false_fn()
    if pred.size != 1:
        raise ValueError(at_user_line(f"cond: the predicate must be a scalar, received shape {pred.shape}"))
    pred = np.reshape(cast(pred, np.bool_), ())
    branches = [Branch(true_fn, trace), Branch(false_fn, trace)]
    first, second = (b.outputs for b in branches)
    if len(first) != len(second) or [x is None for x in first] != [x is None for x in second]:
        raise ValueError(
            at_user_line(
                "cond: `true_fn` and `false_fn` must return the same structure, received "
                f"{branches[0].structure!r} and {branches[1].structure!r}"
            )
        )
    for x, y in zip(first, second, strict=True):
        if x is not None and x.shape != y.shape:
            raise ValueError(at_user_line(f"cond: the branches return shapes {x.shape} and {y.shape}"))
    count = len(first)
    cells = list(dict.fromkeys(cell for b in branches for cell in b.written()))
    variables = list({**branches[0].updates(), **branches[1].updates()}.values())
    for branch in branches:
        branch.pass_through(cells, variables)
    dtypes = [
        None if x is None else np.result_type(x.dtype, y.dtype) for x, y in zip(first, second, strict=True)
    ]
    captured = list(dict.fromkeys(v for b in branches for v in b.trace.captures))
    graphs = tuple(b.finish(cells, captured, dtypes) for b in branches)
    operands = (pred, *(Tracer(trace, v) for v in captured))
    results = iter(trace.bind(PRIMITIVES["cond"], operands, {"branches": graphs}))
    values = [None if x is None else next(results) for x in first]
    for variable, value in zip(variables, values[count:], strict=True):
        get_stateless_scope().add_update((variable, value))
    for cell, value in zip(cells, results, strict=True):
        trace.write(cell, value)
    return tree.pack_sequence_as(branches[0].structure, values[:count])


def switch(index: Any, branches: Sequence[Callable[..., Any]], *operands: Any) -> Any:
    """`branches[index](*operands)`, the index clipped to the list."""
    index = cast(np.clip(_tensor(index), 0, len(branches) - 1), np.int32)
    if not is_abstract(index):
        return branches[int(index)](*operands)

    def choose(i: int) -> Any:
        if i == len(branches) - 1:
            return branches[i](*operands)
        return cond(index == i, lambda: branches[i](*operands), lambda: choose(i + 1))

    return choose(0)


def while_loop(
    cond: Callable[..., Any], body: Callable[..., Any], loop_vars: Any, maximum_iterations: int | None = None
) -> Any:
    """Repeat `body` while `cond` holds; the condition must be known while tracing."""
    is_tuple = isinstance(loop_vars, (tuple, list))
    state = tuple(loop_vars) if is_tuple else (loop_vars,)
    state = tree.map_structure(_tensor, state)
    iteration = 0
    while maximum_iterations is None or iteration < maximum_iterations:
        go = cond(*state)
        if is_abstract(go):
            raise TracingError(
                at_user_line(
                    "`keras.ops.while_loop` with a condition on traced values is not available yet: "
                    "use `keras.ops.fori_loop` with a known count, or compile with `run_eagerly=True`."
                )
            )
        if not go:
            break
        result = body(*state)
        state = tuple(result) if isinstance(result, (list, tuple)) else (result,)
        iteration += 1
    return state if is_tuple else state[0]


def fori_loop(lower: int, upper: int, body_fun: Callable[[int, Any], Any], init_val: Any) -> Any:
    """`val = body_fun(i, val)` for i from lower to upper, unrolled while tracing."""
    val = init_val
    for i in builtins.range(int(lower), int(upper)):
        val = body_fun(i, val)
    return val


def scan(
    f: Callable[..., Any],
    init: Any,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
    unroll: Any = 1,
) -> Any:
    """`carry, y = f(carry, x)` along the first axis; returns the last carry and the stacked ys. Unrolled."""
    if not callable(f):
        raise TypeError(f"`f` should be a callable. Received: f={f}")
    if not isinstance(unroll, bool) and (not isinstance(unroll, int) or unroll < 1):
        raise ValueError(f"`unroll` must be an positive integer or boolean. Received: unroll={unroll}")
    if xs is None and length is None:
        raise ValueError("Got no `xs` to scan over and `length` not provided.")
    flat = [] if xs is None else [_tensor(x) for x in tree.flatten(xs)]
    n = int(length) if length is not None else flat[0].shape[0]
    carry = tree.map_structure(_tensor, init)
    ys: list[Any] = []
    for i in reversed(builtins.range(n)) if reverse else builtins.range(n):
        x = tree.pack_sequence_as(xs, [leaf[i] for leaf in flat]) if flat else None
        carry, y = f(carry, x)
        ys.append(tree.map_structure(np.zeros_like, carry) if y is None else y)
    if reverse:
        ys.reverse()
    return carry, tree.map_structure(lambda *leaves: np.stack(leaves), *ys)


def map_(f: Callable[[Any], Any], xs: Any) -> Any:
    """`f` of each slice along the first axis, stacked."""
    _, ys = scan(lambda carry, x: (carry, f(x)), (), xs)
    return ys


def vectorized_map(function: Callable[[Any], Any], elements: Any) -> Any:
    """`function` of each element of the batch, stacked."""
    return map_(function, list(elements) if isinstance(elements, (list, tuple)) else elements)


def associative_scan(f: Callable[..., Any], elems: Any, reverse: bool = False, axis: int = 0) -> Any:
    """Running combinations of elements along an axis with an associative function (a sequential scan)."""
    if not callable(f):
        raise TypeError(f"`f` should be a callable. Received: f={f}")
    flat = [np.moveaxis(_tensor(x), axis, 0) for x in tree.flatten(elems)]
    n = flat[0].shape[0]
    if builtins.any(x.shape[0] != n for x in flat):
        raise ValueError(
            "Array inputs to associative_scan must have the same first dimension. "
            f"(saw: {[x.shape for x in flat]})"
        )
    order = list(reversed(builtins.range(n))) if reverse else list(builtins.range(n))
    # `f` works on whole slices with the axis in place, of length one.
    slices = [tree.pack_sequence_as(elems, [np.moveaxis(x[i : i + 1], 0, axis) for x in flat]) for i in order]
    results = slices[:1]
    for x in slices[1:]:
        results.append(f(results[-1], x))
    if reverse:
        results.reverse()
    return tree.map_structure(lambda *leaves: np.concatenate(leaves, axis=axis), *results)
