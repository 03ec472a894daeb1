"""`GradientTape`, `grad` and `value_and_grad`: derivatives of what was recorded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import optree

from kerasflow.autodiff.vjp import sweep
from kerasflow.errors import GradientError
from kerasflow.graph import Value
from kerasflow.tracing import Cell, Trace, Tracer, apply, as_operand, at_user_line, current_trace, record
from kerasflow.tracing import trace as tracing


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
        self._watched: dict[int, tuple[Any, Tracer]] = {}
        self._spans: list[tuple[int, int | None]] = []
        self._trace: Trace | None = None
        self._owns_trace = False
        self._used = False

    # -- recording ------------------------------------------------------------------------------------------

    def __enter__(self) -> GradientTape:
        trace = current_trace()
        if trace is None:
            # A tape that is entered again goes on with its own recording.
            trace = self._trace or Trace(concrete=True)
            tracing._stack.traces.append(trace)
            self._owns_trace = True
        self._trace = trace
        self._spans.append((len(trace.nodes), None))
        tracing._stack.tapes.append(self)
        return self

    def __exit__(self, *_: Any) -> None:
        assert self._trace is not None
        start, _end = self._spans[-1]
        self._spans[-1] = (start, len(self._trace.nodes))
        tracing._stack.tapes.remove(self)
        if self._owns_trace:
            tracing._stack.traces.remove(self._trace)
            self._owns_trace = False

    def watch(self, tensor: Any) -> Any:
        """Record what is done with a tensor, so that gradients with respect to it can be asked for.

        An ordinary array is recognised where it goes through `keras.ops` or a
        layer. For plain NumPy functions and operators use the array that this
        method returns: `x = tape.watch(x)`.

        Args:
            tensor: an array, a traced array, a variable, or a nested structure of them.

        Returns:
            The traced counterpart, with the structure of `tensor`.
        """
        if self._trace is None:
            raise GradientError("`watch` must be called inside the `with GradientTape()` block")
        return optree.tree_map(self._watch, tensor)  # type: ignore[arg-type]

    def _watch(self, x: Any) -> Any:
        if hasattr(x, "_cell"):
            self._watched[id(x)] = (x, x)
            return x
        tracer = record("identity", as_operand(x))
        self._watched[id(x)] = (x, tracer)
        self._watched[id(tracer)] = (tracer, tracer)
        return tracer

    def find(self, x: Any) -> Tracer | None:
        """The traced counterpart of a watched array."""
        entry = self._watched.get(id(x))
        return entry[1] if entry is not None else None

    def stop_recording(self) -> Any:
        """A context in which nothing is recorded on this tape."""
        return _Pause(self)

    def reset(self) -> None:
        """Forget what was recorded."""
        trace = self._require_trace()
        self._spans = [(len(trace.nodes), None)]
        self._used = False

    def watched_variables(self) -> tuple[Any, ...]:
        """The variables given to `watch`."""
        return tuple(x for x, _ in self._watched.values() if hasattr(x, "_cell"))

    # -- differentiating ------------------------------------------------------------------------------------

    def gradient(
        self,
        target: Any,
        sources: Any,
        output_gradients: Any = None,
        unconnected_gradients: str = "none",
    ) -> Any:
        """The gradient of the sum of `target` with respect to `sources`.

        Args:
            target: a traced array, or a nested structure of them.
            sources: a variable or watched array, or a nested structure of them.
            output_gradients: weights for the elements of `target`, same structure; ones if None.
            unconnected_gradients: `"none"` or `"zero"`, for sources on which the target does not depend.

        Returns:
            Arrays with the structure of `sources`.

        Raises:
            GradientError: if a tape that is not persistent is asked twice, or the target was not recorded.
        """
        trace = self._require_trace()
        if self._used and not self._persistent:
            raise GradientError(
                "A non-persistent GradientTape can only be used to compute one set of gradients. "
                "Use `GradientTape(persistent=True)`."
            )
        if unconnected_gradients not in ("none", "zero"):
            raise ValueError(f"unconnected_gradients is 'none' or 'zero', received {unconnected_gradients!r}")
        self._used = True
        nodes = [n for start, end in self._spans for n in trace.nodes[start:end]]
        targets = self._targets(trace, target, output_gradients)
        leaves, structure = optree.tree_flatten(sources)
        groups = [self._values(trace, leaf) for leaf in leaves]
        flat = list(dict.fromkeys(v for group in groups for v in group))
        recording_now = current_trace() is not None
        if not recording_now:
            tracing._stack.traces.append(trace)
        try:
            found = dict(zip(flat, sweep(trace, nodes, targets, flat), strict=True))
            gradients = [self._total([found[v] for v in group]) for group in groups]
        finally:
            if not recording_now:
                tracing._stack.traces.remove(trace)
        if unconnected_gradients == "zero":
            gradients = [np.zeros(s.shape, str(s.dtype)) if g is None else g for g, s in zip(gradients, leaves, strict=True)]
        if not recording_now:
            gradients = [g if g is None else np.array(g) for g in gradients]
        return optree.tree_unflatten(structure, gradients)  # type: ignore[arg-type]

    def _require_trace(self) -> Trace:
        if self._trace is None:
            raise GradientError("The tape has recorded nothing: use it in a `with` block first")
        return self._trace

    def _targets(self, trace: Trace, target: Any, weights: Any) -> list[tuple[Value, Any]]:
        leaves = optree.tree_leaves(target)
        factors = [None] * len(leaves) if weights is None else optree.tree_leaves(weights)
        result = []
        for leaf, factor in zip(leaves, factors, strict=True):
            if hasattr(leaf, "_cell"):
                leaf = trace.read(leaf._cell)
            if not isinstance(leaf, Tracer):
                continue  # It depends on nothing that was recorded.
            seed = np.ones(leaf.shape, leaf.dtype) if factor is None else np.broadcast_to(factor, leaf.shape)
            result.append((trace.value_of(leaf), seed))
        return result

    def _values(self, trace: Trace, source: Any) -> list[Value]:
        """The recorded values that stand for a source."""
        cell = getattr(source, "_cell", None)
        if isinstance(cell, Cell):
            use = trace.cells.get(cell)
            allowed = self._watch_variables and getattr(source, "trainable", True)
            return list(use.reads) if use is not None and (allowed or id(source) in self._watched) else []
        if isinstance(source, Tracer):
            return [trace.value_of(source)]
        tracer = self.find(source)
        if tracer is None:
            raise GradientError(
                at_user_line(
                    "A gradient was asked for with respect to an array that the tape does not know. Call "
                    "`x = tape.watch(x)` inside the `with` block, before x is used."
                )
            )
        return [tracer.value]

    @staticmethod
    def _total(parts: list[Any]) -> Any:
        parts = [g for g in parts if g is not None]
        total = parts[0] if parts else None
        for g in parts[1:]:
            total = total + g
        return total


class _Pause:
    """The block of `GradientTape.stop_recording`: a gap between two spans of the tape."""

    def __init__(self, tape: GradientTape) -> None:
        self.tape = tape

    def __enter__(self) -> None:
        trace = self.tape._require_trace()
        start, _ = self.tape._spans[-1]
        self.tape._spans[-1] = (start, len(trace.nodes))

    def __exit__(self, *_: Any) -> None:
        self.tape._spans.append((len(self.tape._require_trace().nodes), None))


def value_and_grad(function: Callable[..., Any], argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Callable[..., Any]:
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
                traced[i] = tape.watch(args[i])
            result = function(*traced, **kwargs)
            value, aux = result if has_aux else (result, None)
            if np.shape(value) != ():
                raise GradientError(f"the function must return a scalar, received shape {np.shape(value)}; sum it, say")
        gradients = tape.gradient(value, tuple(traced[i] for i in positions), unconnected_gradients="zero")
        gradient = gradients[0] if isinstance(argnums, int) else gradients
        if outside:
            value, aux = optree.tree_map(lambda x: np.array(x) if isinstance(x, Tracer) else x, (value, aux))  # type: ignore[arg-type]
        return ((value, aux) if has_aux else value), gradient

    wrapped.__name__ = f"value_and_grad({getattr(function, '__name__', 'function')})"
    wrapped.__doc__ = f"The value and the gradient of `{getattr(function, '__name__', 'function')}`."
    return wrapped


def grad(function: Callable[..., Any], argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Callable[..., Any]:
    """A function that computes the gradient of `function`; see `value_and_grad`.

    Returns:
        A function that returns the gradient, or `(gradient, auxiliary)` if `has_aux`.
    """
    both = value_and_grad(function, argnums, has_aux)

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        value, gradient = both(*args, **kwargs)
        return (gradient, value[1]) if has_aux else gradient

    return wrapped


def watched(x: Any) -> Any:
    """The traced counterpart of an array that a tape of this thread watches, else the array itself."""
    for tape in tracing._stack.tapes:
        tracer = tape.find(x)
        if tracer is not None:
            return tracer
    return x


__all__ = ["GradientTape", "apply", "grad", "value_and_grad", "watched"]
