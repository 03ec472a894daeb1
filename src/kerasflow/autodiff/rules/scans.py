"""The derivative of a scan: a scan the other way round.

The steps backwards need values that the steps forwards have computed. The rule
records the scan once more with those values as further stacked results; a pass
then makes one scan of the two (`passes.merge`). So a scan computes and keeps
what its derivatives use, and nothing twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kerasflow.autodiff.joint import Nested, flows
from kerasflow.autodiff.vjp import Sweep, is_differentiable
from kerasflow.graph import Constant, Graph, Node, Value, needed
from kerasflow.primitives import PRIMITIVES
from kerasflow.tracing import Trace, apply, current_trace, recording
from kerasflow.tracing.subgraphs import bind_scan, inlined


def _scan(
    sweep: Sweep,
    gs: Any,
    results: Any,
    operands: Any,
    wanted: Any,
    body: Graph,
    length: int,
    reverse: bool,
    constants: int,
    carries: int,
) -> list[Any]:
    trace = current_trace()
    assert trace is not None
    carried = carried_cotangents(sweep, body, gs, wanted, constants, carries)
    flowing = [i for i in range(carries, len(gs)) if flows(gs[i])]
    slices = range(constants + carries, len(operands))
    sources = [i for i in range(constants) if wanted[i]]
    sources += [constants + i for i in carried]
    sources += [i for i in slices if wanted[i]]
    step = _Step(sweep, body, sources, [*carried, *flowing])

    # The steps backwards: what is added up over the steps, what is carried, and what each step gives.
    summed = [i for i in step.gradients if i < constants]
    sliced = [i for i in step.gradients if i in slices]
    with recording(step.trace):
        totals = [step.trace.add_input(body.inputs[i].aval) for i in summed]
        outputs = [total + step.gradients[i] for total, i in zip(totals, summed, strict=True)]
        for i in carried:
            v = body.inputs[constants + i]
            outputs.append(step.gradients.get(constants + i, np.zeros(v.aval.shape, v.aval.dtype)))
        outputs += [step.gradients[i] for i in sliced]
        arriving = [*(t.value for t in totals), *step.cotangents]
        back = _Backwards(
            step, arriving, [step.trace.value_of(x) for x in outputs], constants + carries, constants
        )

    # Forwards once more, with what they need.
    params = {"length": length, "reverse": reverse, "constants": constants, "carries": carries}
    forward = apply(PRIMITIVES["scan"], *operands, body=step.forward(back.kept), **params)
    kept = forward[len(gs) :]
    ends = [np.zeros(x.shape, x.dtype) for x in totals] + [gs[i] for i in carried]
    last, found = bind_scan(
        trace,
        back.graph(len(ends)),
        [operands[i] for i in back.constants],
        ends,
        [*(operands[i] for i in back.slices), *kept, *(gs[i] for i in flowing)],
        length,
        not reverse,
    )
    answers = dict(zip([*summed, *(constants + i for i in carried), *sliced], [*last, *found], strict=True))
    return [answers.get(i) for i in range(len(operands))]


def carried_cotangents(
    sweep: Sweep, body: Graph, gs: Any, wanted: Any, constants: int, carries: int
) -> list[int]:
    """The carries through which a cotangent flows from a result to an operand that wants one."""
    inputs, outputs = body.inputs[constants:], body.outputs
    reached = {v for v, want in zip(body.inputs, wanted, strict=True) if want}
    flowing = {i for i, g in enumerate(gs) if flows(g)}
    while True:  # Forwards from the operands, backwards from the results, until nothing is added.
        made = {v for node in sweep.path(body.nodes, reached) for v in node.outputs if is_differentiable(v)}
        forwards = {inputs[i] for i in range(carries) if outputs[i] in made | reached} - reached
        ends = [outputs[i] for i in flowing]
        read = {v for node in needed(body.nodes, ends) for v in node.inputs}.union(ends)
        backwards = {i for i in range(carries) if inputs[i] in read} - flowing
        if not forwards and not backwards:
            return [i for i in range(carries) if inputs[i] in reached and i in flowing]
        reached |= forwards
        flowing |= backwards


class _Step:
    """One step of a scan and its derivative, recorded together.

    Args:
        sources: the positions of the operands with respect to which it is differentiated.
        arrived: the positions of the results that have a cotangent.

    Attributes:
        inputs, cotangents: values that stand for the body's inputs and for the results' cotangents.
        gradients: the cotangents of the sources that any result depends on.
        own: the nodes that are the body's, as opposed to its derivative's.
        origin: for a value of `own`, and for an input, the same value in the body.
    """

    def __init__(self, sweep: Sweep, body: Graph, sources: Sequence[int], arrived: Sequence[int]) -> None:
        self.body = body
        trace = self.trace = Trace()
        with recording(trace):
            operands = [trace.add_input(v.aval) for v in body.inputs]
            env = inlined(trace, body, operands)
            self.own = set(trace.nodes)
            self.inputs = [x.value for x in operands]
            self.origin = {x.value: v for v, x in env.items()}
            cotangents = [trace.add_input(body.outputs[i].aval) for i in arrived]
            self.cotangents = [g.value for g in cotangents]
            targets = [
                (env[body.outputs[i]].value, g)
                for i, g in zip(arrived, cotangents, strict=True)
                if body.outputs[i] in env  # else a constant
            ]
            found = sweep(trace, list(trace.nodes), targets, [self.inputs[i] for i in sources])
        self.gradients = {i: g for i, g in zip(sources, found, strict=True) if g is not None}

    def forward(self, kept: Sequence[Value]) -> Graph:
        """The body with further results.

        It shares nodes and inputs with the body, by which the pass that merges scans knows them.
        """
        ours = needed(self.trace.nodes, kept) - self.own
        origin = dict(self.origin)
        extra = []
        for node in self.trace.nodes:
            if node in ours:
                inputs = [origin.get(v, v) for v in node.inputs]
                avals = [v.aval for v in node.outputs]
                extra.append(Node(node.primitive, inputs, node.params, avals, node.scope))
                origin.update(zip(node.outputs, extra[-1].outputs, strict=True))
        body = self.body
        return Graph(body.inputs, [*body.nodes, *extra], [*body.outputs, *(origin[v] for v in kept)])


class _Backwards:
    """The part of a recorded step that runs backwards, cut off from what runs forwards.

    What is a view, or the same at every step, is computed again rather than kept.

    Args:
        arriving: the values that are known only then. outputs: what it computes.
        fixed, given: how many of the step's inputs are constants, and how many of them constants or carries.

    Attributes:
        kept: the values of the steps forwards that it needs.
        constants, slices: the positions of the operands that it needs too.
    """

    def __init__(
        self, step: _Step, arriving: Sequence[Value], outputs: Sequence[Value], given: int, fixed: int
    ) -> None:
        self.step = step
        self.arriving = list(arriving)
        self.outputs = list(outputs)
        late, steady = set(arriving), set(step.inputs[:fixed])
        for node in step.trace.nodes:
            if not late.isdisjoint(node.inputs):
                late.update(node.outputs)
            elif all(v in steady or isinstance(v, Constant) for v in node.inputs):
                steady.update(node.outputs)
        read = set(outputs)
        self.nodes: list[Node] = []
        kept: list[Value] = []
        for node in reversed(step.trace.nodes):
            if read.isdisjoint(node.outputs):
                continue
            again = node not in step.own and not node.subgraphs
            if again or node.primitive.view or node.outputs[0] in late or node.outputs[0] in steady:
                self.nodes.append(node)
                read.update(node.inputs)
            else:
                kept.extend(v for v in node.outputs if v in read)
        self.nodes.reverse()
        self.kept = [v for v in step.inputs[fixed:given] if v in read] + kept[::-1]
        self.constants = [i for i in range(fixed) if step.inputs[i] in read]
        self.slices = [i for i in range(given, len(step.inputs)) if step.inputs[i] in read]

    def graph(self, carries: int) -> Graph:
        """Constants, carries (the first of what arrives), then slices: of operands, of what is kept, of cotangents."""
        inputs = self.step.inputs
        env = {v: Value(v.aval) for v in self.kept}
        nodes = []
        for node in self.nodes:
            new = [env.get(v, v) for v in node.inputs]
            nodes.append(Node(node.primitive, new, node.params, [v.aval for v in node.outputs], node.scope))
            env.update(zip(node.outputs, nodes[-1].outputs, strict=True))
        arguments = [
            *(inputs[i] for i in self.constants),
            *self.arriving[:carries],
            *(inputs[i] for i in self.slices),
            *(env[v] for v in self.kept),
            *self.arriving[carries:],
        ]
        return Graph(arguments, nodes, [env.get(v, v) for v in self.outputs])


RULES: dict[str, Any] = {"scan": Nested(_scan)}
