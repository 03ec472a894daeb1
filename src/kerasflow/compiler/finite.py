"""NaN and infinity, found where they are made.

`check` looks at one operation. `Finite` is a backend that runs another one's programs operation by operation, each as a
program of its own, and checks them all, those inside of branches and loops too.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Hashable, Sequence
from functools import partial
from typing import Any

import numpy as np

from kerasflow.compiler.alone import alone, kind_of
from kerasflow.compiler.backend import Backend, Program
from kerasflow.errors import NonFiniteError
from kerasflow.graph import Graph, Node, Origin, evaluate, format_params, printable, shaped, split_scope
from kerasflow.tracing.source import user_line

Array = np.ndarray[Any, Any]

_EXTENSIONS = frozenset({"bfloat16", "float8_e4m3fn", "float8_e5m2"})
_SHOWN = 8  # values of an operand

_GUARD = (
    "A `where` around it is not enough: both sides are computed, and the gradient of the one that is not chosen is "
    "NaN. Guard the operand as well: `np.where(x > 0, f(np.where(x > 0, x, 1)), 0)`."
)
_DERIVATIVE = f"It belongs to the derivative of what is recorded there, which may be finite itself. {_GUARD}"
_POSITIVE = f"Keep its operand above 0, with `np.maximum(x, 1e-7)`, say. {_GUARD}"
_DIVISOR = f"Keep the divisor away from 0, or use `keras.ops.divide_no_nan`. {_GUARD}"
_LARGE = (
    "Subtract the largest operand first, as `keras.ops.softmax` and `keras.ops.logsumexp` do, or clip it."
)

# What to do, by the names of primitives, which are NumPy's, and of Keras's operations.
REMEDIES = {
    **dict.fromkeys(("log", "log2", "log10", "log1p", "power", "sqrt", "rsqrt", "cbrt"), _POSITIVE),
    **dict.fromkeys(("divide", "true_divide", "reciprocal", "remainder", "mod", "fmod"), _DIVISOR),
    **dict.fromkeys(("exp", "exp2", "expm1", "sinh", "cosh"), _LARGE),
    "astype": "The number is too large for the dtype. bfloat16 (`mixed_bfloat16`) reaches as far as float32.",
}


def check(node: Node, operands: Sequence[Any], results: Sequence[Any], *inside: str) -> None:
    """See that a node makes no NaN and no infinity of finite numbers.

    Args:
        inside: in which conditionals and loops it is, in words.

    Raises:
        NonFiniteError: it does.
    """
    primitive = node.primitive
    check_results(primitive.name, node.scope, operands, results, inside, primitive.elementwise, node.params)


def check_results(
    name: str,
    scope: str,
    operands: Sequence[Any],
    results: Sequence[Any],
    inside: Sequence[str] = (),
    elementwise: bool = False,
    params: dict[str, Any] | None = None,
) -> None:
    """The same of an operation by its name.

    Args:
        scope: where it comes from. elementwise: an element of the result depends on the operands at its place alone.
        params: its parameters, to be shown.

    Raises:
        NonFiniteError: it makes NaN or infinity of finite numbers.
    """
    for i, result in enumerate(map(np.asarray, results)):
        if not _is_floating(result) or np.isfinite(result).all():
            continue
        arrays = [np.asarray(x) for x in operands]
        wrong = _made(result, [x for x in arrays if _is_floating(x)], elementwise)
        if not wrong.any():
            continue
        place = tuple(int(n) for n in np.unravel_index(np.argmax(wrong), wrong.shape))
        there = [np.broadcast_to(x, result.shape)[place] for x in arrays] if elementwise else None
        call = ", ".join([*(str(shaped(x)) for x in arrays), *format_params(params or {})])
        remedy = _DERIVATIVE if split_scope(scope)[1] else REMEDIES.get(name)
        which = f"result {i}" if len(results) > 1 else "result"
        count = f"{np.count_nonzero(wrong)} of {result.size} are such"
        line = (isinstance(scope, Origin) and scope.line) or user_line()
        message = [
            f"`{name}`{_in(scope)} makes {result[place]} of {_kind(there or arrays)} numbers:",
            f"    {', '.join(str(shaped(np.asarray(x))) for x in results)} = {name}({call})",
            *(f"    inside {where}" for where in inside),
            f"    {which} at {list(place)}: {result[place]} ({count})",
            *(f"    operand {k}: {_summary(x, there and there[k])}" for k, x in enumerate(arrays)),
            *([remedy] if remedy else []),
            *([f"  at {line}"] if line else []),
        ]
        raise NonFiniteError("\n".join(message), name, str(scope))


def _is_floating(x: Array) -> bool:
    return x.dtype.kind in "fc" or x.dtype.name in _EXTENSIONS


def _made(result: Array, operands: Sequence[Array], elementwise: bool) -> Array:
    """Where the result has NaN and no operand has, or infinity where no operand has either."""
    nan, infinite = np.isnan(result), np.isinf(result)

    def found(test: Any) -> Any:
        """Whether an operand has it: at each place, or anywhere."""
        return functools.reduce(
            np.logical_or, [test(x) if elementwise else test(x).any() for x in operands], False
        )

    had_nan = found(np.isnan)
    return np.asarray((nan & ~np.asarray(had_nan)) | (infinite & ~np.asarray(had_nan | found(np.isinf))))


def _in(scope: str) -> str:
    return f" in {printable(scope)}" if scope else ""


def _kind(operands: Sequence[Any]) -> str:
    return (
        "finite"
        if all(np.isfinite(x).all() for x in map(np.asarray, operands) if _is_floating(x))
        else "infinite"
    )


def _summary(x: Array, there: Any = None) -> str:
    """Shape, dtype and range of an array; a short one whole. `there` is its element at the place in question."""
    text = str(shaped(x))
    if x.size <= _SHOWN:
        text += f" {_rounded(x)}"
    elif x.dtype.kind not in "cb":
        text += f" from {_rounded(np.min(x))} to {_rounded(np.max(x))}"
    return text if there is None or not x.ndim else f"{text}, there {_rounded(there)}"


def _rounded(x: Any) -> Any:
    """Numbers as they are shown: what is real with six digits."""
    x = np.asarray(x)
    if not _is_floating(x) or x.dtype.kind == "c":
        return x.tolist()
    return np.reshape([float(f"{float(n):.6g}") for n in x.flat], x.shape).tolist()


class Finite:
    """A backend that runs another one's operations one by one, and looks at what each makes.

    Args:
        backend: runs them.
    """

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.name = f"{backend.name} (debug_nans)"
        self.primitives = backend.primitives
        self.refused = getattr(backend, "refused", {})
        self._programs: dict[Hashable, tuple[Program, list[int], Node]] = {}

    def compile(self, graph: Graph) -> Program:
        """The graph as a program that stops where NaN or infinity is made; its state are NumPy arrays."""
        known: dict[Node, tuple[Program, list[int], Node]] = {}

        def apply(
            node: Node,
            operands: Sequence[Any],
            inside: tuple[str, ...] = (),
            overflowing: set[str] | None = None,
        ) -> Sequence[Any]:
            """A node's results. What the scale of a loss may have made infinite is noted, where that is wanted."""
            if node.subgraphs:
                return self._look_inside(node, operands, inside, partial(apply, overflowing=overflowing))
            if node not in known:
                known[node] = self._alone(node)
            program, positions, _ = known[node]
            results = program([], [operands[i] for i in positions])[0]
            scope = node.scope if isinstance(node.scope, Origin) else Origin(node.scope)
            if not scope.checked or (overflowing and scope.scale in overflowing):
                return results
            try:
                check(node, operands, results, *inside)
            except NonFiniteError:
                if overflowing is None or not scope.scale:
                    raise
                overflowing.add(scope.scale)
            return results

        def program(state: Sequence[Array], inputs: Sequence[Array]) -> tuple[list[Array], list[Array]]:
            overflowing: set[str] = set()
            outputs, now = evaluate(graph, state, inputs, partial(apply, overflowing=overflowing))
            scales = [name in overflowing for name in graph.state_names]
            if any(scales):
                unscaled = [np.ones_like(x) if scale else x for x, scale in zip(state, scales, strict=True)]
                evaluate(graph, unscaled, inputs, apply)
            changes = [
                old if before is after else np.array(new)
                for before, after, old, new in zip(
                    graph.state_inputs, graph.state_outputs, state, now, strict=True
                )
            ]
            _blame_what_was_given(graph, state, inputs, [*outputs, *changes])
            return [np.array(x) for x in outputs], changes

        return program

    def from_host(self, array: Array) -> Array:
        """A copy."""
        return np.array(array)

    def to_host(self, buffer: Array) -> Array:
        """The array itself."""
        return buffer

    def _alone(self, node: Node) -> tuple[Program, list[int], Node]:
        """The node as a program, the positions of the operands that it takes, and what keeps its constants alive."""
        key = kind_of(node)
        if key not in self._programs:
            graph, positions = alone(node)
            self._programs[key] = self.backend.compile(graph), positions, node
        return self._programs[key]

    def _look_inside(self, node: Node, operands: Sequence[Any], inside: tuple[str, ...], apply: Any) -> Any:
        """The results of a conditional or a loop, whose sub-graphs run node by node too."""
        rounds: Counter[Graph] = Counter()

        def run(graph: Graph, given: Sequence[Any]) -> list[Any]:
            rounds[graph] += 1
            here = f"`{node.primitive.name}`{_in(node.scope)}, round {rounds[graph]}"
            return evaluate(graph, [], given, partial(apply, inside=(*inside, here)))[0]

        return node.primitive.evaluate(*operands, **node.params, run=run)


_known: dict[int, Finite] = {}


def finite(backend: Backend) -> Finite:
    """The one `Finite` of a backend, which keeps it."""
    if id(backend) not in _known:
        _known[id(backend)] = Finite(backend)
    return _known[id(backend)]


def _blame_what_was_given(
    graph: Graph, state: Sequence[Array], inputs: Sequence[Array], results: Sequence[Array]
) -> None:
    """Where a result has NaN and no operation made it, it was there before.

    Raises:
        NonFiniteError: naming the input or the variable.
    """
    if not any(_is_floating(x) and np.isnan(x).any() for x in results):
        return
    named = [f"the variable {printable(name)}" for name in graph.state_names]
    numbered = [f"input {i} of the program" for i in range(len(inputs))]
    for what, x in zip([*numbered, *named], map(np.asarray, [*inputs, *state]), strict=False):
        if _is_floating(x) and np.isnan(x).any():
            wrong = np.isnan(x)
            place = [int(n) for n in np.unravel_index(np.argmax(wrong), wrong.shape)]
            raise NonFiniteError(
                f"No operation is to blame: {what} ({shaped(x)}) has NaN before the first one, at {place} "
                f"({np.count_nonzero(wrong)} of {x.size} are such)."
            )


__all__ = ["Finite", "check", "check_results", "finite"]
