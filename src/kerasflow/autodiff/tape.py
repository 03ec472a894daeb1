"""`GradientTape`, `grad` and `value_and_grad`: derivatives of what was recorded."""

from __future__ import annotations

import functools
from collections import ChainMap
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any

import numpy as np
import optree

from kerasflow.autodiff.rules import NONDIFFERENTIABLE, RULES, foreign
from kerasflow.autodiff.rules.complex import conj
from kerasflow.autodiff.vjp import Sweep
from kerasflow.errors import GradientError
from kerasflow.graph import Node, Value
from kerasflow.primitives.foreign import foreign_function
from kerasflow.tracing import (
    Cell,
    Trace,
    Tracer,
    adopted,
    as_operand,
    at_user_line,
    cast,
    current_trace,
    make_watchable,
    observing,
    record,
    recording,
    watched,
)
from kerasflow.tracing.tensor import tensors

sweep = Sweep(ChainMap(RULES, foreign.RULES), NONDIFFERENTIABLE)


class GradientTape:
    """Records operations for differentiation, as TensorFlow's `tf.GradientTape`.

    Trainable variables that are read in the block are watched by themselves.
    Inside a program (a model's `train_step`, `jit`) the derivative becomes part
    of the program; outside, arrays are computed at once.

    Args:
        persistent: allow several calls of `gradient`.
        watch_accessed_variables: watch trainable variables that are read.

    Example:

        with kerasflow.GradientTape() as tape:
            loss = keras.ops.mean((model(x) - y) ** 2)
        gradients = tape.gradient(loss, model.trainable_weights)
    """

    def __init__(self, persistent: bool = False, watch_accessed_variables: bool = True) -> None:
        self._persistent = persistent
        self._watch_variables = watch_accessed_variables
        self._trace: Trace | None = None
        self._block: ExitStack | None = None
        self._paused = False
        self.reset()

    # -- recording ------------------------------------------------------------------------------------------

    def __enter__(self) -> GradientTape:
        if self._block is not None:
            raise GradientError("The tape is already recording")
        trace = current_trace()
        self._block = ExitStack()
        if trace is None:
            # A tape that is entered again goes on with its own recording.
            trace = self._block.enter_context(recording(self._trace or Trace(concrete=True)))
        self._trace = trace
        trace.settle()
        self._block.enter_context(observing(self))
        self._block.enter_context(trace.accompanied())
        return self

    def __exit__(self, *error: Any) -> None:
        assert self._block is not None
        block, self._block = self._block, None
        block.__exit__(*error)

    def recorded(self, trace: Trace, node: Node) -> None:
        """The trace recorded a node."""
        if trace is self._trace and not self._paused:
            self._nodes.append(node)

    def accessed(self, trace: Trace, cell: Cell, value: Value, variable: Any) -> None:
        """A variable was read."""
        if self._paused:
            return
        if trace is self._trace:
            self._reads.setdefault(cell, []).append(value)
        if self._watch_variables and getattr(variable, "trainable", False):
            self._variables[id(variable)] = variable

    def watch(self, tensor: Any) -> Any:
        """Record what is done with a tensor, so that gradients with respect to it can be asked for.

        A tensor is recognised wherever it is used. An array of NumPy's is where it
        goes through `keras.ops` or a layer, or stands beside a traced one; for plain
        NumPy functions and operators use the array that this method returns:
        `x = tape.watch(x)`.

        Args:
            tensor: an array, a traced array, a variable, or a nested structure of them.

        Returns:
            The traced counterpart, with the structure of `tensor`.
        """
        if self._block is None:
            raise GradientError("`watch` must be called inside the `with GradientTape()` block")
        return optree.tree_map(self._watch, tensor)

    def _watch(self, x: Any) -> Any:
        if hasattr(x, "_cell"):
            self._variables[id(x)] = x
            return x
        if isinstance(x, Tracer) and x.owner is current_trace():
            return x
        if id(x) not in self._watched:
            known = adopted(x)  # What another framework has recorded is a traced array.
            self._watched[id(x)] = (x, _traced(x) if known is x else known)
            make_watchable(x)
        return self._watched[id(x)][1]

    def find(self, x: Any) -> Tracer | None:
        """The traced counterpart of a watched array."""
        entry = self._watched.get(id(x))
        return entry[1] if entry is not None else None

    @contextmanager
    def stop_recording(self) -> Iterator[None]:
        """A context in which nothing is recorded on this tape."""
        if self._block is None:
            raise GradientError("`stop_recording` must be called inside the `with GradientTape()` block")
        assert self._trace is not None
        self._trace.settle()
        self._paused = True
        try:
            yield
            self._trace.settle()
        finally:
            self._paused = False

    def reset(self) -> None:
        """Forget what was recorded and watched."""
        self._nodes: list[Node] = []
        self._reads: dict[Cell, list[Value]] = {}
        self._variables: dict[int, Any] = {}
        self._watched: dict[int, tuple[Any, Tracer]] = {}
        self._used = False

    def watched_variables(self) -> tuple[Any, ...]:
        """The variables that were read or given to `watch`, in that order."""
        return tuple(self._variables.values())

    # -- differentiating ------------------------------------------------------------------------------------

    def gradient(
        self,
        target: Any,
        sources: Any,
        output_gradients: Any = None,
        unconnected_gradients: str = "none",
    ) -> Any:
        """The gradient of the sum of `target` with respect to `sources`.

        With respect to a complex number x + iy it is ∂/∂x + i ∂/∂y, the direction of steepest ascent; a complex target
        counts by its real part.

        Args:
            target: a traced array, or a nested structure of them.
            sources: a variable or watched array, or a nested structure of them.
            output_gradients: weights for the elements of `target`, same structure; ones if None.
            unconnected_gradients: `"none"` or `"zero"`, for sources on which the target does not depend.

        Returns:
            Tensors with the structure of `sources`; None for one on which the target does not depend.

        Raises:
            GradientError: if a tape that is not persistent is asked twice, or a source is an unknown array.
        """
        with self._differentiating():
            targets = self._targets(target, output_gradients)
            return self._gradient(targets, sources, unconnected_gradients)

    def jacobian(self, target: Any, sources: Any, unconnected_gradients: str = "none") -> Any:
        """The derivative of each element of `target` with respect to each of `sources`; one sweep for each element.

        Args:
            target: a traced array of shape T.
            sources: as `gradient`'s.
            unconnected_gradients: as `gradient`'s.

        Returns:
            For each source of shape S an array of shape T + S.

        Raises:
            GradientError: as `gradient`.
        """
        n = int(np.prod(target.shape))
        return self._rows(
            target, sources, np.eye(n).reshape(n, *target.shape), 0, target.shape, unconnected_gradients
        )

    def batch_jacobian(self, target: Any, source: Any, unconnected_gradients: str = "none") -> Any:
        """The Jacobian of each sample on its own: `target[b]` with respect to `source[b]`.

        Args:
            target: a traced array of shape (B, …T).
            source: of shape (B, …S).
            unconnected_gradients: as `gradient`'s.

        Returns:
            An array of shape (B, …T, …S).

        Raises:
            GradientError: as `gradient`.
        """
        batch, *rest = target.shape
        n = int(np.prod(rest))
        seeds = np.broadcast_to(np.eye(n).reshape(n, 1, *rest), (n, batch, *rest))
        return self._rows(target, source, seeds, 1, (batch, *rest), unconnected_gradients)

    @contextmanager
    def _differentiating(self) -> Iterator[None]:
        if self._trace is None:
            raise GradientError("The tape has recorded nothing: use it in a `with` block first")
        if self._used and not self._persistent:
            raise GradientError(
                "A non-persistent GradientTape can only be used to compute one set of gradients. "
                "Use `GradientTape(persistent=True)`."
            )
        self._used = True
        yield
        if not self._persistent:
            self._nodes = []

    def _gradient(self, targets: list[tuple[Value, Any]], sources: Any, unconnected: str) -> Any:
        if unconnected not in ("none", "zero"):
            raise ValueError(f"unconnected_gradients is 'none' or 'zero', received {unconnected!r}")
        assert self._trace is not None
        leaves, structure = optree.tree_flatten(sources)
        groups = [self._values(leaf) for leaf in leaves]
        flat = list(dict.fromkeys(v for group in groups for v in group))
        self._require_outside(flat)
        inside = current_trace() is not None
        with nullcontext() if inside else recording(self._trace):
            found = dict(zip(flat, sweep(self._trace, list(self._nodes), targets, flat), strict=True))
            gradients = [self._total([found[v] for v in group]) for group in groups]
        if unconnected == "zero":
            gradients = [_zeros_like(x) if g is None else g for g, x in zip(gradients, leaves, strict=True)]
        if not inside:
            gradients = [g if g is None else tensors(np.array(g)) for g in gradients]
        return optree.tree_unflatten(structure, gradients)

    def _require_outside(self, sources: list[Value]) -> None:
        """Refuse what another framework has computed, and gone on with: how, nobody here knows.

        Raises:
            GradientError: with what to do.
        """
        for node in self._nodes:
            places = [i for i, v in enumerate(node.outputs) if v in sources]
            if places and node.primitive is foreign_function and node.params["function"].derived(places):
                raise GradientError(
                    at_user_line(
                        "A gradient was asked for with respect to an array that another framework has computed, and "
                        "computed more of. Call `x = tape.watch(x)` where x has been computed, before it is used."
                    )
                )

    def _rows(self, target: Any, sources: Any, seeds: Any, axis: int, shape: Any, unconnected: str) -> Any:
        """The gradients for each of the seeds, stacked along an axis and shaped as the target and the source."""
        with self._differentiating():
            rows = [self._gradient(self._targets(target, seed), sources, unconnected) for seed in seeds]

        def stack(*parts: Any) -> Any:
            if parts[0] is None:
                return None
            return np.reshape(np.stack(parts, axis), (*shape, *parts[0].shape[axis:]))

        return optree.tree_map(stack, rows[0], *rows[1:], none_is_leaf=True)

    def _targets(self, target: Any, weights: Any) -> list[tuple[Value, Any]]:
        assert self._trace is not None
        leaves = optree.tree_leaves(target)
        factors = [None] * len(leaves) if weights is None else optree.tree_leaves(weights)
        result: list[tuple[Value, Any]] = []
        for leaf, factor in zip(leaves, factors, strict=True):
            leaf = self._trace.adopt(leaf)
            if hasattr(leaf, "_cell"):
                result.extend((value, _seed(leaf, factor)) for value in self._reads.get(leaf._cell, [])[-1:])
            elif isinstance(leaf, Tracer):  # else it depends on nothing that was recorded
                result.append((self._trace.value_of(leaf), _seed(leaf, factor)))
        return result

    def _values(self, source: Any) -> list[Value]:
        """The recorded values that stand for a source."""
        assert self._trace is not None
        cell = getattr(source, "_cell", None)
        if isinstance(cell, Cell):
            return list(dict.fromkeys(self._reads.get(cell, []))) if id(source) in self._variables else []
        tracer = self.find(source)
        if tracer is None and isinstance(source, Tracer):
            tracer = source
        if tracer is None:
            raise GradientError(
                at_user_line(
                    "A gradient was asked for with respect to an array that the tape does not know. Call "
                    "`x = tape.watch(x)` inside the `with` block, before x is used."
                )
            )
        return [self._trace.value_of(tracer)]

    @staticmethod
    def _total(parts: list[Any]) -> Any:
        parts = [g for g in parts if g is not None]
        total = parts[0] if parts else None
        for g in parts[1:]:
            total = total + g
        # The cotangents of complex numbers are the conjugates of their gradients.
        return total if total is None else conj(total)


def _traced(x: Any) -> Any:
    """A new traced array with the value of x."""
    return record("identity", as_operand(watched(x)))


def _seed(target: Any, weights: Any) -> Any:
    """The cotangent of a target: the weights of its elements, ones if None."""
    if weights is None:
        return np.ones(target.shape, str(target.dtype))
    return conj(cast(np.broadcast_to(as_operand(weights), target.shape), str(target.dtype)))


def _zeros_like(x: Any) -> Any:
    x = x if hasattr(x, "_cell") else as_operand(x)
    return np.zeros(x.shape, str(x.dtype))


def value_and_grad(
    function: Callable[..., Any], argnums: int | tuple[int, ...] = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """A function that computes `function` and its gradient.

    Args:
        function: written in plain NumPy (or `keras.ops`); returns a scalar
            array, or `(scalar, auxiliary)` if `has_aux`.
        argnums: the positions of the arguments to differentiate with respect to
            (arrays, or nested structures of arrays, of floating dtype).

    Returns:
        A function with the same arguments that returns `(value, gradient)`; the
        gradient is a tuple if `argnums` is one.

    Raises:
        GradientError: if the value is not a scalar, or an argument is not of floating dtype.
    """
    positions = (argnums,) if isinstance(argnums, int) else tuple(argnums)

    @functools.wraps(function, updated=())
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        outside = current_trace() is None
        with GradientTape() as tape:
            traced = list(args)
            for i in positions:
                for leaf in optree.tree_leaves(args[i]):
                    if as_operand(leaf).dtype.kind not in "fcV":
                        raise GradientError(
                            f"argument {i} has dtype {as_operand(leaf).dtype}; gradients need floating-point numbers, "
                            "e.g. `x.astype(np.float32)`"
                        )
                # Each argument on its own, also where two are the same array.
                traced[i] = optree.tree_map(
                    lambda x: tape.watch(x) if hasattr(x, "_cell") else _traced(x), args[i]
                )
            result = optree.tree_map(watched, function(*traced, **kwargs))
            value, aux = result if has_aux else (result, None)
            if np.shape(value) != ():
                raise GradientError(
                    f"the function must return a scalar, received shape {np.shape(value)}; sum it, say"
                )
        gradients = tape.gradient(value, tuple(traced[i] for i in positions), unconnected_gradients="zero")
        if outside:
            value, aux = optree.tree_map(lambda x: np.array(x) if isinstance(x, Tracer) else x, (value, aux))
            gradients = optree.tree_map(np.asarray, gradients)
        gradient = gradients[0] if isinstance(argnums, int) else gradients
        return ((value, aux) if has_aux else value), gradient

    wrapped.__name__ = f"value_and_grad({getattr(function, '__name__', 'function')})"
    wrapped.__doc__ = f"The value and the gradient of `{getattr(function, '__name__', 'function')}`."
    return wrapped


def grad(
    function: Callable[..., Any], argnums: int | tuple[int, ...] = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """A function that computes the gradient of `function`; see `value_and_grad`.

    Returns:
        A function that returns the gradient, or `(gradient, auxiliary)` if `has_aux`.
    """
    both = value_and_grad(function, argnums, has_aux)

    @functools.wraps(function, updated=())
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        value, gradient = both(*args, **kwargs)
        return (gradient, value[1]) if has_aux else gradient

    wrapped.__name__ = f"grad({getattr(function, '__name__', 'function')})"
    return wrapped


__all__ = ["GradientTape", "grad", "value_and_grad"]
