"""The derivative of a loop whose length is not known: backwards from checkpoints.

How many steps there were, and what they computed, is known only when the program
runs, and memory is planned before. So the loop is recorded once more, and keeps
its carries at some steps, in a fixed number of slots: at first at every step;
whenever the slots are full every other one is given up, and from then on half as
many steps are kept. The loop backwards computes each step again from the last
one kept before it. (Griewank, "Achieving logarithmic growth of temporal and
spatial complexity in reverse automatic differentiation", 1992, has the idea.)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kerasflow.autodiff.joint import Nested
from kerasflow.autodiff.rules.control import apply_vjp
from kerasflow.autodiff.rules.scans import carried_cotangents
from kerasflow.autodiff.vjp import Sweep
from kerasflow.graph import Graph, ShapedArray
from kerasflow.tracing import Trace, apply, current_trace
from kerasflow.tracing.subgraphs import bind_while, inline, subgraph

# At most so many steps are kept, fewer where they take more than so many bytes. Both are even.
SLOTS = 256
SLOT_BYTES = 1 << 26

_COUNTER = ShapedArray((), np.dtype(np.int64))


def _while_loop(
    sweep: Sweep,
    gs: Any,
    results: Any,
    operands: Any,
    wanted: Any,
    cond: Graph,
    body: Graph,
    constants: int,
    maximum: int | None,
) -> list[Any]:
    trace = _current()
    fixed, start = operands[:constants], operands[constants:]
    count, every, kept = _with_checkpoints(trace, fixed, start, cond, body, maximum)
    carried = carried_cotangents(sweep, body, gs, wanted, constants, len(start))
    summed = [i for i in range(constants) if wanted[i]]
    totals = [np.zeros(fixed[i].shape, fixed[i].dtype) for i in summed]
    last = _backwards(
        sweep, trace, body, (count, every), fixed, kept, totals, [gs[i] for i in carried], summed, carried
    )
    answers = dict(zip([*summed, *(constants + i for i in carried)], last, strict=True))
    return [answers.get(i) for i in range(len(operands))]


def _current() -> Trace:
    trace = current_trace()
    assert trace is not None
    return trace


def _with_checkpoints(
    trace: Trace, fixed: Sequence[Any], start: Sequence[Any], cond: Graph, body: Graph, maximum: int | None
) -> tuple[Any, Any, list[Any]]:
    """The loop once more: the number of steps, the number from one kept step to the next, and what was kept."""
    carries = [v.aval for v in body.inputs[len(fixed) :]]
    nbytes = sum(c.nbytes for c in carries)
    slots = max(2, min(SLOTS, SLOT_BYTES // max(nbytes, 1), maximum or SLOTS) // 2 * 2)
    buffers = [ShapedArray((slots, *c.shape), c.dtype) for c in carries]
    avals = [*(v.aval for v in body.inputs[: len(fixed)]), _COUNTER, _COUNTER, *buffers, *carries]
    n = len(carries)

    def same(*xs: Any) -> Sequence[Any]:
        return xs

    def thinned(every: Any, *buffers: Any) -> list[Any]:
        halves = [
            apply("setitem", b, b[::2], index=((0, slots // 2, 1), *((0, k, 1) for k in b.shape[1:])))
            for b in buffers
        ]
        return [every * 2, *halves]

    def kept(slot: Any, *xs: Any) -> list[Any]:
        return [apply("scatter", b, c, slot, mode="set") for b, c in zip(xs[:n], xs[n:], strict=True)]

    def unchanged(slot: Any, *xs: Any) -> Sequence[Any]:
        return xs[:n]

    thinning = (subgraph(same, [_COUNTER, *buffers]), subgraph(thinned, [_COUNTER, *buffers]))
    keeping = tuple(subgraph(f, [_COUNTER, *buffers, *carries]) for f in (unchanged, kept))

    def go_on(*xs: Any) -> list[Any]:
        return inline(_current(), cond, [*xs[: len(fixed)], *xs[len(fixed) + 2 + n :]])

    def step(*xs: Any) -> list[Any]:
        own, (count, every), rest = xs[: len(fixed)], xs[len(fixed) : len(fixed) + 2], xs[len(fixed) + 2 :]
        every, *memory = apply("switch", count == every * slots, every, *rest[:n], branches=thinning)
        memory = apply("switch", count % every == 0, count // every, *memory, *rest[n:], branches=keeping)
        return [count + 1, every, *memory, *inline(_current(), body, [*own, *rest[n:]])]

    empty = [np.zeros(b.shape, b.dtype) for b in buffers]
    begin = [np.int64(0), np.int64(1), *empty, *start]
    count, every, *rest = bind_while(
        trace, subgraph(go_on, avals), subgraph(step, avals), fixed, begin, maximum
    )
    return count, every, rest[:n]


def _backwards(
    sweep: Sweep,
    trace: Trace,
    body: Graph,
    counts: tuple[Any, Any],
    fixed: Sequence[Any],
    kept: Sequence[Any],
    totals: Sequence[Any],
    ends: Sequence[Any],
    summed: Sequence[int],
    carried: Sequence[int],
) -> list[Any]:
    """The loop backwards: cotangents of the constants `summed`, and of the first values of the carries `carried`."""
    count, every = counts
    m, n = len(fixed), len(kept)
    carries = [v.aval for v in body.inputs[m:]]
    wanted = [*summed, *(m + i for i in carried)]
    own = [v.aval for v in body.inputs[:m]]
    again = [*own, _COUNTER, _COUNTER, *carries]  # constants, how far, where, carries
    advance = subgraph(lambda *xs: [xs[m + 1] + 1, *inline(_current(), body, [*xs[:m], *xs[m + 2 :]])], again)
    behind = subgraph(lambda *xs: [xs[m + 1] < xs[m]], again)

    def step(*xs: Any) -> list[Any]:
        own, every, memory, t, cotangents = (
            xs[:m],
            xs[m],
            xs[m + 1 : m + 1 + n],
            xs[m + 1 + n],
            xs[m + 2 + n :],
        )
        slot = t // every
        at = [apply("gather", b, slot) for b in memory]
        _, *at = bind_while(_current(), behind, advance, [*own, t], [slot * every, *at])
        ends = dict(zip(carried, cotangents[len(summed) :], strict=True))
        found = apply_vjp(sweep, _current(), body, [*own, *at], ends, wanted)
        sums = [total + g for total, g in zip(cotangents, found[: len(summed)], strict=False)]
        return [t - 1, *sums, *found[len(summed) :]]

    memory = [ShapedArray((kept[0].shape[0], *c.shape), c.dtype) for c in carries]
    avals = [*own, _COUNTER, *memory, _COUNTER, *(body.inputs[i].aval for i in wanted)]
    go_on = subgraph(lambda *xs: [xs[m + 1 + n] >= 0], avals)
    last = count - 1
    return bind_while(trace, go_on, subgraph(step, avals), [*fixed, every, *kept], [last, *totals, *ends])[1:]


RULES: dict[str, Any] = {"while_loop": Nested(_while_loop)}
