"""Gradients that a program says itself: none, or its own function's."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
from keras.src import tree
from keras.src.backend.common import KerasVariable

from kerasflow.autodiff import grad as autodiff_grad
from kerasflow.autodiff.rules.complex import conj
from kerasflow.bridge.ops.subgraphs import Shared, Subgraph
from kerasflow.bridge.ops.tensors import as_tensors, tensor
from kerasflow.tracing import Tracer, apply, current_trace


def stop_gradient(variable: Any) -> Any:
    """The value, through which no gradient flows."""
    return apply("stop_gradient", tensor(variable))


def grad(f: Callable[..., Any], argnums: Any = 0) -> Callable[..., Any]:
    """A function that gives the gradient of the sum of what f returns; variables among the arguments are values.

    Args:
        argnums: the places of the arguments, an integer or several.
    """

    def gradient(*args: Any, **kwargs: Any) -> Any:
        places = _places(argnums, len(args))
        values = [tree.map_structure(tensor, x) if i in places else x for i, x in enumerate(args)]
        found = autodiff_grad(lambda *xs, **options: np.sum(tensor(f(*xs, **options))), places)(
            *values, **kwargs
        )
        return found[0] if isinstance(argnums, int) else found

    return gradient


def _places(argnums: Any, count: int) -> tuple[int, ...]:
    """The places that are meant, counted from the first.

    Raises:
        TypeError: they are no integers. ValueError: there is no such argument, or one is named twice.
    """
    given = (argnums,) if isinstance(argnums, int) else argnums
    if not isinstance(given, (list, tuple)) or not all(isinstance(i, int) for i in given):
        raise TypeError(f"`argnums` must be an int or a tuple of ints. Received: argnums={argnums}")
    for i in given:
        if not -count <= i < count:
            raise ValueError(
                f"`argnums` refers to positional argument {i}, but the function was called with {count} positional "
                "arguments."
            )
    places = tuple(i % count for i in given)
    if len(set(places)) < len(places):
        raise ValueError(f"`argnums` must not repeat a position. Received: argnums={argnums}")
    return places


class custom_gradient:
    """Decorator for a function that brings its own gradient.

    Args:
        fun: `fun(*args)` returns `(outputs, grad)`, where `grad(*cotangents,
            upstream=...)` returns the gradient for each argument.
    """

    def __init__(self, fun: Callable[..., Any]) -> None:
        self.fun = fun

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        flat = [tensor(x) if _is_array_like(x) else x for x in tree.flatten(args)]
        traced = [x for x in flat if isinstance(x, Tracer)]
        if current_trace() is None or not traced:
            outputs, _ = self.fun(*args, **kwargs)
            return as_tensors(outputs, flat)
        # Inside, the arguments are cut off: gradients reach them through `grad` alone.
        inner = [apply("stop_gradient", x) if isinstance(x, Tracer) else x for x in flat]
        outputs, grad = self.fun(*tree.pack_sequence_as(args, inner), **kwargs)
        leaves = [tensor(y) for y in tree.flatten(outputs)]

        def vjp(*gs: Any) -> list[Any]:
            # Users deal in gradients, of which cotangents are the conjugates.
            gs = tuple(conj(g) for g in gs)
            upstream = tree.pack_sequence_as(outputs, list(gs))
            found = grad(*gs) if _takes_positional(grad) else grad(upstream=upstream)
            found = list(found) if isinstance(found, (list, tuple)) else [found]
            if len(found) != len(flat):
                raise ValueError(
                    f"The gradient function of `{getattr(self.fun, '__name__', 'custom_gradient')}` returned "
                    f"{len(found)} gradients for {len(flat)} arguments"
                )
            pairs = zip(found, flat, strict=True)
            return [None if g is None else conj(tensor(g)) for g, x in pairs if isinstance(x, Tracer)]

        return tree.pack_sequence_as(outputs, custom_vjp(traced, leaves, vjp))


def custom_vjp(operands: list[Any], outputs: list[Any], vjp: Callable[..., list[Any]]) -> list[Any]:
    """The outputs, whose cotangents go through `vjp` to the operands.

    A sub-graph is applied again elsewhere: what it records must not use the tracers of where it was recorded. So
    there the derivative is recorded too, at once, with what it uses as operands.
    """
    trace = current_trace()
    if trace is None or trace.parent is None:
        return list(apply("custom_vjp", *operands, *outputs, outputs=len(outputs), vjp=vjp))
    derivative = Subgraph(trace)
    with derivative.recording():
        gs = [derivative.argument(y.shape, y.dtype) for y in outputs]
        # Wherever no gradient flows, zeros do.
        pairs = zip(vjp(*gs), operands, strict=True)
        derivative.outputs = [np.zeros(x.shape, x.dtype) if g is None else g for g, x in pairs]
    shared = Shared(trace, derivative)
    residuals = [*shared.constants(), *shared.changing()]
    inputs = [*shared.constants_of(derivative), *shared.changing_of(derivative), *gs]
    graph = derivative.graph(inputs, derivative.outputs)
    params = {"outputs": len(outputs), "residuals": len(residuals), "vjp": graph}
    return list(apply("custom_vjp", *operands, *residuals, *outputs, **params))


def _is_array_like(x: Any) -> bool:
    return isinstance(x, (np.ndarray, np.generic, Tracer, KerasVariable, float, int)) and not isinstance(
        x, bool
    )


def _takes_positional(grad: Callable[..., Any]) -> bool:
    """Whether a gradient function takes the cotangents as positional arguments."""
    kinds = inspect.signature(grad).parameters.values()
    return any(
        p.kind is p.VAR_POSITIONAL
        or (p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) and p.name != "upstream")
        for p in kinds
    )


def remat(f: Callable[..., Any]) -> Callable[..., Any]:
    """Rematerialization saves device memory; programs here plan theirs, so the function stays as it is."""
    return f
