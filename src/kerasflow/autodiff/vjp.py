"""Reverse-mode differentiation: one sweep backwards over recorded nodes.

The sweep runs rules (the table of `autodiff.rules`, which it is given) in traced
operations, so that a derivative is again a recorded program and can be
differentiated. Rules need not care about broadcasting: it is undone here, once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from kerasflow.autodiff.cotangents import Cotangents
from kerasflow.autodiff.joint import Joint, Nested, Part
from kerasflow.errors import GradientError
from kerasflow.graph import Constant, Node, ShapedArray, Value, gradient_scope, printable
from kerasflow.tracing import Trace, cast, scope


def is_differentiable(value: Value) -> bool:
    """Whether a cotangent makes sense for the value: a real, complex or bfloat16 (kind V or f) number."""
    dtype = value.aval.dtype
    if dtype.kind in "iubOSU":
        return False
    return dtype.kind in "fc" or np.issubdtype(np.result_type(dtype, np.float32), np.floating)


def unbroadcast(g: Any, shape: tuple[int, ...]) -> Any:
    """Sum a cotangent over the axes along which an operand of `shape` was broadcast."""
    if g.shape == shape:
        return g
    extra = g.ndim - len(shape)
    axes = tuple(range(extra)) + tuple(
        i + extra for i, n in enumerate(shape) if n == 1 and g.shape[i + extra] != 1
    )
    return np.reshape(np.sum(g, axis=axes, dtype=g.dtype), shape)


def _as_cotangent(g: Any, aval: ShapedArray) -> Any:
    """What a rule gave, with the shape and the dtype of the operand; a real number has a real cotangent."""
    if isinstance(g, Part):
        return Part(_as_cotangent(g.g, ShapedArray(g.g.shape, aval.dtype)), g.index)
    g = unbroadcast(g, aval.shape)
    return cast(np.real(g) if g.dtype.kind == "c" and aval.dtype.kind != "c" else g, aval.dtype)


Rule = tuple[Callable[..., Any] | None, ...] | Joint


class Sweep:
    """Reverse-mode differentiation by a table of rules.

    Args:
        rules: by the names of primitives. nondifferentiable: the primitives through which nothing flows.
    """

    def __init__(self, rules: Mapping[str, Rule], nondifferentiable: Collection[str]) -> None:
        self.rules = rules
        self.nondifferentiable = nondifferentiable

    def __call__(
        self,
        trace: Trace,
        nodes: Sequence[Node],
        targets: Sequence[tuple[Value, Any]],
        sources: Sequence[Value],
    ) -> list[Any]:
        """Vector-Jacobian products of recorded values.

        Args:
            trace: the trace of the nodes; new nodes are recorded by the current trace.
            nodes: the nodes to differentiate through, in execution order.
            targets: pairs of a value and its cotangent.
            sources: the values to differentiate with respect to.

        Returns:
            For each source its cotangent, or None where no target depends on it.

        Raises:
            GradientError: if a primitive on the way has no rule.
        """
        path = self.path(nodes, sources)
        cotangents = Cotangents()
        wanted = set(sources) | {v for node in path for v in node.outputs}
        for value, g in targets:
            if value in wanted:
                cotangents.add(value, g)
        for node in reversed(nodes):
            if node not in path or not any(v in cotangents for v in node.outputs):
                continue
            flags = [
                v in wanted and not isinstance(v, Constant) and is_differentiable(v) for v in node.inputs
            ]
            if not any(flags):
                continue
            with scope(gradient_scope(node.scope)):
                gs = [cotangents.get(v) for v in node.outputs]
                for value, g in zip(node.inputs, self._apply_rule(trace, node, gs, flags), strict=True):
                    if g is not None:
                        cotangents.add(value, _as_cotangent(g, value.aval))
        return [cotangents.get(v) for v in sources]

    def path(self, nodes: Iterable[Node], sources: Iterable[Value]) -> set[Node]:
        """The nodes through which a derivative with respect to the sources can flow."""
        reached = set(sources)
        path: set[Node] = set()
        for node in nodes:
            if node.primitive.name in self.nondifferentiable:
                continue
            if any(v in reached for v in node.inputs):
                flowing = [v for v in node.outputs if is_differentiable(v)]
                if flowing:
                    reached.update(flowing)
                    path.add(node)
        return path

    def _apply_rule(self, trace: Trace, node: Node, gs: list[Any], flags: list[bool]) -> list[Any]:
        """The cotangent of each input that is wanted, before broadcasting is undone; None for the others."""
        rule = self.rules.get(node.primitive.name)
        if rule is None:
            raise GradientError(
                f"`{node.primitive.name}` (in {printable(node.scope) or 'the traced function'}) has no derivative"
            )
        inputs = [trace.wrap(v) for v in node.inputs]
        results = [trace.wrap(v) for v in node.outputs]
        if isinstance(rule, Joint):
            gs = [_zeros_like(v) if g is None else g for v, g in zip(node.outputs, gs, strict=True)]
            nested = (self,) if isinstance(rule, Nested) else ()
            found = rule.function(*nested, gs, results, inputs, flags, **node.params)
            return [g if flag else None for g, flag in zip(found, flags, strict=True)]
        g, result = gs[0], results[0]
        cotangents: list[Any] = []
        for flag, partial in zip(flags, rule, strict=True):
            if not flag:
                cotangents.append(None)
            elif partial is None:
                raise GradientError(f"`{node.primitive.name}` has no derivative with respect to this operand")
            else:
                cotangents.append(partial(g, result, *inputs, **node.params))
        return cotangents


def _zeros_like(value: Value) -> Any:
    return np.zeros(value.aval.shape, value.aval.dtype)
