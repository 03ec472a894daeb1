"""Loops as sub-graphs: what a body takes, carries and gives, checked, with the state that it assigns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from keras.src import tree

from kerasflow.bridge.ops.subgraphs import Shared, Subgraph
from kerasflow.bridge.ops.tensors import convert_to_tensor
from kerasflow.passes import batched
from kerasflow.tracing import Trace, Tracer, at_user_line, cast
from kerasflow.tracing.subgraphs import bind_scan, bind_while, inline


def same_structure(what: str, first: Any, second: Any) -> None:
    """Refuse values of different structures.

    Raises:
        ValueError: `what` the same structure, and both of them.
    """
    try:
        tree.assert_same_structure(first, second)
    except (ValueError, TypeError):
        shown = [tree.map_structure(_described, x) for x in (first, second)]
        raise ValueError(
            at_user_line(f"{what} the same structure, received {shown[0]!r} and {shown[1]!r}")
        ) from None


class _Description(str):
    __slots__ = ()
    __repr__ = str.__str__


def _described(x: Any) -> Any:
    """An array by its type, so that an error can show a structure of them."""
    return _Description(f"{x.dtype}{list(x.shape)}") if hasattr(x, "shape") else x


def carried_on(what: str, old: Any, new: Any) -> list[Any]:
    """The leaves of what a step makes of its carries: the same structure, shapes and dtypes; numbers are cast.

    Raises:
        ValueError: naming what differs.
    """
    same_structure(f"{what}: the body must return what it takes, in", old, new)
    leaves = []
    for (path, x), y in zip(tree.flatten_with_path(old), tree.flatten(new), strict=True):
        number = isinstance(y, (bool, int, float, complex)) and not isinstance(y, np.generic)
        y = cast(convert_to_tensor(y), x.dtype) if number else convert_to_tensor(y)
        if y.shape != x.shape or y.dtype != x.dtype:
            place = "".join(f"[{key!r}]" for key in path)
            raise ValueError(
                at_user_line(
                    f"{what}: the body must return what it takes, in the same shapes and dtypes, but "
                    f"{f'value {place}' if place else 'the value'} becomes {_described(y)} from {_described(x)}. "
                    "Give the first value the shape and dtype that the body returns, or cast what it returns."
                )
            )
        leaves.append(y)
    return leaves


class Loop:
    """A loop over a known number of steps, recorded as a `scan`.

    In its block take what a step needs by `slices` and `carries`, and give what it makes to `carry` and `stack`;
    behind it call `run`, and find the results in `last` and `stacked`.

    Args:
        what: the operation's name, for messages.
    """

    def __init__(self, trace: Trace, what: str, length: int, reverse: bool = False) -> None:
        self.trace = trace
        self.what = what
        self.length = length
        self.reverse = reverse
        self.body = Subgraph(trace)
        self.taken: list[Tracer] = []
        self.sliced: list[Any] = []
        self.carried: dict[Tracer, Any] = {}
        self.new: dict[Tracer, Any] = {}
        self.results: Any = ()
        self.stacked: Any = None
        self.final: dict[Tracer, Any] = {}

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Record a step."""
        with self.body.recording():
            yield
            self.body.outputs = [
                *(self.new.get(x, x) for x in self.carried),
                *map(convert_to_tensor, tree.flatten(self.results)),
            ]

    def slices(self, arrays: Sequence[Any]) -> list[Tracer]:
        """The step's slice of each array, along the first axis."""
        self.sliced.extend(arrays)
        found = [self.body.argument(x.shape[1:], x.dtype) for x in arrays]
        self.taken.extend(found)
        return found

    def carries(self, first: Any) -> Any:
        """What comes from the step before, in the structure of what the first step gets."""

        def carried(x: Any) -> Tracer:
            argument = self.body.argument(x.shape, x.dtype)
            self.carried[argument] = x
            return argument

        return tree.map_structure(carried, first)

    def carry(self, old: Any, new: Any) -> None:
        """What the next step gets for `old`, which `carries` gave."""
        leaves = carried_on(self.what, old, new)
        self.new.update(zip(tree.flatten(old), leaves, strict=True))

    def stack(self, results: Any) -> None:
        """What the step gives, in any structure; None for nothing."""
        self.results = () if results is None else results

    def last(self, carried: Any) -> Any:
        """What the last step has made of something that `carries` gave."""
        return tree.map_structure(lambda x: self.final[x], carried)

    def run(self, at_once: bool = False) -> None:
        """Bind the loop.

        Args:
            at_once: compute all steps in one, where no step needs another's results and the operations allow it.
        """
        shared, body, n = Shared(self.trace, self.body), self.body, len(self.carried)
        constants = shared.constants()
        carries = [*self.carried.values(), *shared.changing()]
        outputs = body.outputs
        graph = body.graph(
            [*shared.constants_of(body), *self.carried, *shared.changing_of(body), *self.taken],
            [*outputs[:n], *shared.changed(body), *outputs[n:]],
        )
        whole = batched(graph, len(constants), self.length) if at_once and not carries else None
        if whole is None:
            last, found = bind_scan(
                self.trace, graph, constants, carries, self.sliced, self.length, self.reverse
            )
        else:
            last, found = [], inline(self.trace, whole, [*constants, *self.sliced])
        shared.assign(last[n:])
        self.final = dict(zip(self.carried, last, strict=False))
        self.stacked = tree.pack_sequence_as(self.results, found) if found else self.results


def while_graphs(
    trace: Trace, cond: Callable[..., Any], body: Callable[..., Any], state: tuple[Any, ...], maximum: Any
) -> tuple[Any, ...]:
    """Record a loop with a condition; the last values of its variables.

    Args:
        state: arrays, in any structure.
    """
    flat = tree.flatten(state)
    test, step = Subgraph(trace), Subgraph(trace)
    for graph in (test, step):
        for x in flat:
            graph.argument(x.shape, x.dtype)
    with test.recording():
        go_on = convert_to_tensor(cond(*tree.pack_sequence_as(state, test.arguments)))
        if go_on.size != 1 or go_on.dtype != bool:
            raise ValueError(
                at_user_line(
                    f"while_loop: the condition must return a boolean scalar, received {_described(go_on)}"
                )
            )
        test.outputs = [np.reshape(go_on, ())]
    if test.written():
        names = ", ".join(repr(state.name) for state in test.written())
        raise ValueError(at_user_line(f"while_loop: the condition assigns {names}; only the body may"))
    with step.recording():
        old = tree.pack_sequence_as(state, step.arguments)
        new = body(*old)
        new = tuple(new) if isinstance(new, (list, tuple)) else (new,)
        step.outputs = carried_on("while_loop", old, new)
    shared = Shared(trace, test, step)
    inputs = [[*shared.constants_of(g), *g.arguments, *shared.changing_of(g)] for g in (test, step)]
    last = bind_while(
        trace,
        test.graph(inputs[0], test.outputs),
        step.graph(inputs[1], [*step.outputs, *shared.changed(step)]),
        shared.constants(),
        [*flat, *shared.changing()],
        None if maximum is None else max(int(maximum), 0),
    )
    shared.assign(last[len(flat) :])
    return tuple(tree.pack_sequence_as(state, last[: len(flat)]))
